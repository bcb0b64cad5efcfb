"""ECAD's own search: its first population, its operators, and that it sees leaves only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ecad.breeder import BinaryBreeder
from benchmarks.ecad.method import ECAD, ecad_settings
from benchmarks.ecad.seeds import ecad_seeds
from evocache.errors import IdentityError
from evocache.schedule import Schedule, forecast, uniform
from evocache.search.genome.search_space import Space
from evocache.search.optimise.method import EVOCACHE
from evocache.search.run import Run
from evocache.search.storage.run_records import read_run
from tests.search.crews import Counting
from tests.search.test_kept_journal import answer
from tests.search.trees import stack

SPACE = Space(stack(28), 20)
SEEDS = ecad_seeds(SPACE)


def bits(schedule) -> np.ndarray:
    return schedule.executed[:, SPACE.leaves]


def test_the_first_population_is_that_of_the_paper() -> None:
    names = [seed.provenance.origin.removeprefix("ECAD: ") for seed in SEEDS]
    families = (
        "uncached",
        "attention skipped",
        "feed_forward skipped",
        "cross_attention skipped",
        "T-GATE",
        "all every",
    )
    counts = [sum(name.startswith(family) for name in names) for family in (*families, "attention every")]
    assert counts == [1, 20, 18, 7, 13, 7, 6]
    assert len(SEEDS) == sum(counts) == ecad_settings(prompts=4).population == 72
    for seed in SEEDS:
        assert (seed.orders <= 0).all()
        assert bits(seed)[0].all()


def test_families_without_components_are_left_out() -> None:
    from evocache.schedule import Component, Tree

    span = "t/blocks[0:2]"
    rows = [Component("t", "denoiser"), Component(span, "span", None, "t")]
    for i in range(2):
        rows += [Component(f"t/b.{i}", "block", i, span), Component(f"t/b.{i}.a", "attention", i, f"t/b.{i}")]
    names = [seed.provenance.origin for seed in ecad_seeds(Space(Tree(tuple(rows)), 10))]
    assert not any("feed_forward" in name or "T-GATE" in name for name in names)
    assert any("all every" in name for name in names)


def test_offspring_take_each_bit_from_one_of_the_population_and_nothing_else_is_skipped() -> None:
    breeder = BinaryBreeder(SPACE, SEEDS, 72, 2, seed=0)
    first = breeder.ask()
    assert [schedule.digest for schedule in first] == [seed.digest for seed in SEEDS]
    values = np.array([[seed.executed_fraction(), 1 - seed.executed_fraction()] for seed in first])
    breeder.tell(first, values)
    offspring = breeder.ask()
    assert len(offspring) == 72
    either = np.stack([bits(seed) for seed in SEEDS])
    possible = either.any(axis=0), either.all(axis=0)
    strange = 0
    containers = np.setdiff1d(np.arange(len(SPACE.tree)), SPACE.leaves)
    for child in offspring:
        assert child.executed[:, containers].all()
        strange += int((bits(child) & ~possible[0]).sum() + (~bits(child) & possible[1]).sum())
    assert strange <= 72 * 0.05 * 3  # mutation is about one bit in one offspring of twenty


def test_forecasts_and_spans_of_what_it_starts_from_are_not_kept() -> None:
    span = SPACE.tree.of_kind("span")[0].id
    given = uniform(SPACE.tree, 20, [span], range(0, 20, 2), forecast(1, 0.5))
    (schedule,) = BinaryBreeder(SPACE, [given], 1, 2, seed=0).ask()
    assert (bits(schedule) == bits(given)).all()
    assert (schedule.orders <= 0).all()


def test_the_same_seed_breeds_the_same() -> None:
    def bred(seed: int) -> list[str]:
        breeder = BinaryBreeder(SPACE, SEEDS, 72, 2, seed=seed)
        first = breeder.ask()
        breeder.tell(first, np.array([[s.executed_fraction(), -s.executed_fraction()] for s in first]))
        return [schedule.digest for schedule in breeder.ask()]

    assert bred(0) == bred(0)
    assert bred(0) != bred(1)


JOURNAL = Path(__file__).parent / "journals" / "ecad.jsonl"
"""What a run of this method wrote."""


def kept(folder: Path, evaluator: Counting, generations: int = 2) -> Run:
    space = Space(stack(2), 6)
    settings = ecad_settings(population=8, offspring=8, generations=generations, prompts=2, seed=3)
    identity = {"prompts": ["a", "b"]}
    return Run(folder, space, ecad_seeds(space)[::6], settings, executed, evaluator, identity=identity, method=ECAD)


def executed(schedule: Schedule) -> dict[str, float]:
    return {"macs": schedule.executed_fraction()}


def test_the_front_has_leaves_only(tmp_path: Path) -> None:
    front = kept(tmp_path, Counting(answer)).evolve()
    assert len(front) >= 2
    for point in front:
        assert set(point.objectives) == {"error", "macs"}
        containers = np.setdiff1d(np.arange(len(point.schedule.tree)), list(point.schedule.tree.leaves))
        assert point.schedule.executed[:, containers].all()
        assert (point.schedule.orders <= 0).all()


def test_a_journal_that_is_kept_is_gone_on_with(tmp_path: Path) -> None:
    before = JOURNAL.read_text()
    for lines in (1, 20, None):  # the start alone, in the middle, and all of it
        folder = tmp_path / str(lines)
        folder.mkdir()
        (folder / "journal.jsonl").write_text("".join(before.splitlines(keepends=True)[:lines]))
        evaluator = Counting(answer)
        kept(folder, evaluator).evolve()
        after = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
        expected = [json.loads(line) for line in before.splitlines()]
        for line in (*after, *expected):
            for name in ("seconds", "sum"):
                line.pop(name, None)
        assert after == expected
        assert evaluator.jobs == sum(line["kind"] == "eval" for line in expected[lines or len(expected) :])


def test_the_identity_of_a_run_is_what_it_was(tmp_path: Path) -> None:
    settings = {
        "population": 72,
        "offspring": 72,
        "generations": None,
        "prompts": 16,
        "rungs": [],
        "polish": 0,
        "polish_prompts": 8,
        "limits": {},
        "seed": 0,
        "method": "ecad",
    }
    run = replace(kept(tmp_path, Counting(answer)), settings=ecad_settings(prompts=16), budget_seconds=1e-9)
    run.evolve()
    assert dict(read_run(tmp_path).settings) == settings


def test_another_method_does_not_go_on_with_its_run(tmp_path: Path) -> None:
    """Its journal is read as any other; going on with it by our own method is refused by the method's name."""
    (tmp_path / "journal.jsonl").write_text(JOURNAL.read_text())
    records = read_run(tmp_path)
    assert records.settings["method"] == "ecad"
    assert len(records.evaluations) > 20
    with pytest.raises(IdentityError, match=r"settings\.method is 'evocache', was 'ecad'"):
        replace(kept(tmp_path, Counting(answer)), method=EVOCACHE).evolve()
    assert (tmp_path / "journal.jsonl").read_text() == JOURNAL.read_text()
