"""A journal that was written long ago is gone on with: the same seed, settings and answers ask for the same jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evocache.schedule import Schedule
from evocache.search.genome.search_space import Space
from evocache.search.optimise.job import Job
from evocache.search.optimise.settings import Settings
from evocache.search.run import JOURNAL, Run
from evocache.search.seeds.seed_schedules import drop_equal, make_mask_seeds, make_policy_seeds
from tests.search.crews import Counting
from tests.search.trees import stack

KEPT = Path(__file__).parent / "journals" / "evocache.jsonl"
"""What a run wrote, whose answers `answer` gives."""

SETTINGS = Settings(population=8, offspring=6, generations=3, prompts=3, rungs=(1,), polish=0, seed=3)


def answer(job: Job) -> list[float]:
    """What the run was answered whose journal is kept: rational numbers, equal on every machine."""
    share, odd = job.schedule.executed_fraction(), int(job.schedule.digest[:4], 16) / 1e6
    return [round((1 - share) * (1 + 0.1 * prompt) + odd, 6) for prompt in job.prompts]


def price(schedule: Schedule) -> dict[str, float]:
    return {"latency": schedule.executed_fraction()}


def kept(folder: Path, evaluator: Counting) -> Run:
    tree, steps = stack(2), 6
    seeds = drop_equal(iter([*make_policy_seeds(tree, steps), *make_mask_seeds(tree, steps)]))[::3]
    identity = {"prompts": ["a", "b", "c"]}
    return Run(folder, Space(tree, steps), seeds, SETTINGS, price, evaluator, identity=identity)


@pytest.mark.parametrize("lines", [1, 20, None])
def test_a_journal_that_is_kept_is_gone_on_with(lines: int | None, tmp_path: Path) -> None:
    """From the start alone, from the middle, and from all of it."""
    before = KEPT.read_text()
    (tmp_path / JOURNAL).write_text("".join(before.splitlines(keepends=True)[:lines]))
    evaluator = Counting(answer)
    kept(tmp_path, evaluator).evolve()
    after, expected = (
        [json.loads(line) for line in t.splitlines()] for t in ((tmp_path / JOURNAL).read_text(), before)
    )
    for line in (*after, *expected):
        for name in ("seconds", "sum"):
            line.pop(name, None)
    assert after == expected
    assert evaluator.jobs == sum(line["kind"] == "eval" for line in expected[lines or len(expected) :])
