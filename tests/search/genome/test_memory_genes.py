"""Memory genes: inherited within bounds, free where they cost no evaluation, and the same for the same seed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.errors import RunError
from evocache.policies import parse
from evocache.schedule import liveness
from evocache.schedule.front.front import Front
from evocache.search.genome.memory_genes import (
    AS_IT_IS,
    Design,
    Genes,
    Memory,
    MemoryPrice,
    cross_designs,
    cross_genes,
    list_siblings,
    mutate_design,
    mutate_genes,
)
from evocache.search.optimise.job import Job
from evocache.search.optimise.settings import Settings
from evocache.search.run import JOURNAL, Run
from evocache.search.seeds.seed_schedules import make_stored_seeds
from tests.search.crews import Made
from tests.search.optimise.test_evolution import SEEDS, SPACE, STEPS, TREE, answer, price

STORAGES = ("none", "bf16", "int8")
SHARES = {"none": 1.0, "bf16": 0.5, "int8": 0.25}

levels = st.one_of(st.none(), st.integers(0, 1000).map(lambda n: n / 1000))
genes = st.builds(Genes, st.sampled_from(STORAGES), levels)


@settings(max_examples=100, deadline=None)
@given(genes, st.integers(0, 10_000))
def test_mutated_genes_keep_to_what_there_is_and_depend_on_the_seed_alone(given: Genes, seed: int) -> None:
    one, other = (mutate_genes(given, np.random.default_rng(seed), STORAGES) for _ in range(2))
    assert one == other
    assert one.storage in STORAGES
    assert one.level is None or 0 <= one.level <= 1
    assert mutate_genes(given, np.random.default_rng(seed), (given.storage,)).storage == given.storage


@settings(max_examples=50, deadline=None)
@given(genes, genes, st.integers(0, 10_000))
def test_each_gene_of_a_child_is_a_parent_s(mother: Genes, father: Genes, seed: int) -> None:
    child = cross_genes(mother, father, np.random.default_rng(seed))
    assert child.storage in (mother.storage, father.storage)
    assert child.level in (mother.level, father.level)


@settings(max_examples=50, deadline=None)
@given(genes)
def test_a_design_s_siblings_need_no_evaluation_of_their_own(given: Genes) -> None:
    design = Design(SEEDS[1], given)
    found = list_siblings(design)
    assert found[0] == design
    assert {sibling.evaluated for sibling in found} == {design.evaluated}
    assert {sibling.genes.level for sibling in found} == {given.level, None, 0.0}
    assert len({sibling.digest for sibling in found}) == len(found)


def test_names_of_designs_tell_apart_what_differs() -> None:
    assert Design(SEEDS[1]).digest == Design(SEEDS[1]).evaluated == SEEDS[1].digest
    stored = Design(SEEDS[1], Genes("fp8", 0.25))
    assert (stored.digest, stored.evaluated) == (f"{SEEDS[1].digest}+fp8@0.25", f"{SEEDS[1].digest}+fp8")
    assert stored.with_level(None).digest == stored.evaluated
    keys = {Job(SEEDS[1], (0, 1), storage=storage).key for storage in STORAGES}
    assert len(keys) == 3
    assert Job(SEEDS[1], (0, 1)).key in keys


def test_without_storages_to_choose_from_genes_cost_no_randomness() -> None:
    rngs = [np.random.default_rng(5) for _ in range(2)]
    mother, father = Design(SEEDS[1], Genes("bf16", 0.5)), Design(SEEDS[2])
    assert mutate_design(mother, SPACE, rngs[0]).genes == mother.genes
    assert cross_designs(mother, father, SPACE, rngs[0]).genes == mother.genes
    from evocache.search.genome.variation import cross, mutate

    mutate(mother.schedule, SPACE, rngs[1])
    cross(mother.schedule, father.schedule, SPACE, rngs[1])
    assert rngs[0].random() == rngs[1].random()


def test_policies_are_seeds_in_each_storage() -> None:
    seeds = make_stored_seeds(SEEDS, STORAGES)
    assert {seed.genes for seed in seeds} == {Genes("bf16"), Genes("int8")}
    assert not any(seed.schedule.is_full for seed in seeds)
    assert make_stored_seeds(SEEDS, ("none",)) == []


def memory_price(design: Design) -> MemoryPrice:
    """Weights of 100 bytes and activations of 50, 30 of which slices spare; a feature takes 4, and can be parked."""
    features = liveness.compute_peak_bytes(design.schedule, {c.id: 4 for c in TREE}) * SHARES[design.genes.storage]
    whole, low = 150 + int(features), 120 + int(features / 4)
    level = design.genes.level
    budget = None if level is None else round(low + level * (whole - low))
    peak = whole if budget is None else budget
    return MemoryPrice(peak, 0.002 * (whole - peak), budget)


FEW = SEEDS[::4]
MEMORY = Memory(memory_price, STORAGES, tuple(make_stored_seeds(SEEDS, STORAGES))[::2])
SMALL = Settings(population=10, offspring=6, generations=2, prompts=3, rungs=(1,), polish=2)


class Stored(Made):
    """Answers that are worse the smaller features are stored."""

    def __init__(self, die_after: int | None = None) -> None:
        super().__init__()
        self.jobs: list[Job] = []
        self.die_after = die_after

    def evaluate(self, jobs, more=None):
        for number, job in enumerate(jobs):
            if len(self.jobs) == self.die_after:
                raise KeyboardInterrupt
            self.jobs.append(job)
            worse = 1.0 if job.turns else 2 - SHARES[job.storage]
            yield number, [worse * error for error in answer(job, "")]


def run(folder: Path, evaluator: object, settings: Settings = SMALL, memory: Memory | None = MEMORY) -> Run:
    folder.mkdir(exist_ok=True)
    return Run(folder, SPACE, FEW, settings, price, evaluator, memory=memory)  # type: ignore[arg-type]


def figures(front: Front) -> list[tuple[object, ...]]:
    return [(p.schedule.digest, p.storage, p.budget, dict(p.objectives)) for p in front]


def test_a_front_lies_on_both_sides_of_the_trade_off(tmp_path: Path) -> None:
    evaluator = Stored()
    front = run(tmp_path, evaluator).evolve()
    assert {*front[0].objectives} == {"error", "latency", "peak"}
    assert {point.budget is None for point in front} == {True, False}
    assert len({point.storage for point in front}) > 1
    for point in front:
        level = None if point.budget is None else point.objectives["peak"]
        assert point.budget == level
    # nothing was evaluated twice, and what differs in its level was evaluated once
    assert len({job.key for job in evaluator.jobs}) == len(evaluator.jobs)
    same = {(p.schedule.digest, p.storage) for p in front}
    assert len(same) < len(front)
    errors = {(p.schedule.digest, p.storage): p.objectives["error"] for p in front}
    assert all(p.objectives["error"] == errors[p.schedule.digest, p.storage] for p in front)


def test_limits_are_kept_that_no_generation_keeps_as_it_is(tmp_path: Path) -> None:
    limited = Settings(**{**vars(SMALL), "limits": {"peak": 135.0}})
    front = run(tmp_path / "limited", Stored(), limited).evolve()
    assert front
    assert all(point.budget is not None and point.objectives["peak"] <= 135 for point in front)
    with pytest.raises(RunError, match="peak 100"):
        run(tmp_path / "none", Stored(), Settings(**{**vars(SMALL), "limits": {"peak": 100.0}})).evolve()


@pytest.mark.parametrize("after", [0, 20, 60])
def test_a_killed_run_goes_on_to_the_same_front(tmp_path: Path, after: int) -> None:
    whole = Stored()
    expected = run(tmp_path / "whole", whole).evolve()
    assert len(whole.jobs) > 60
    broken = Stored(die_after=after)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", broken).evolve()
    file = tmp_path / "broken" / JOURNAL
    file.write_bytes(file.read_bytes()[:-9])  # killed in the middle of a line
    rest = Stored()
    front = run(tmp_path / "broken", rest).evolve()
    assert figures(front) == figures(expected)
    assert len(broken.jobs) + len(rest.jobs) - len(whole.jobs) == (1 if after else 0)  # the line that was torn
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0]["run"]["storages"] == [*STORAGES]
    stored = {line.get("storage", "none") for line in lines if line["kind"] == "eval"}
    assert stored == {*STORAGES}
    with pytest.raises(RunError, match="storages is"):
        run(tmp_path / "broken", Stored(), memory=Memory(memory_price)).evolve()


def test_who_answers_first_changes_nothing(tmp_path: Path) -> None:
    class Backwards(Stored):
        """As of many workers of whom the last are the fastest; jobs travel."""

        def evaluate(self, jobs, more=None):
            yield from reversed(list(super().evaluate(pickle.loads(pickle.dumps(jobs)))))

    assert figures(run(tmp_path / "other", Backwards()).evolve()) == figures(run(tmp_path / "one", Stored()).evolve())


def test_a_plain_run_says_nothing_of_memory(tmp_path: Path) -> None:
    front = run(tmp_path, Stored(), memory=None).evolve()
    text = (tmp_path / JOURNAL).read_text()
    assert "storage" not in text
    assert {point.storage for point in front} == {"none"}
    assert Design(parse("fora:2").schedule(TREE, STEPS)).genes == AS_IT_IS
