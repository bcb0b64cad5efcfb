"""Fewer steps: operators over several numbers of them, seeds, and searches that find them where they are best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.errors import RunError
from evocache.policies import parse
from evocache.report.run.history import read_history
from evocache.schedule import COMPUTE, Schedule, forecast, uniform
from evocache.schedule.front.front import Front
from evocache.search.calibrate.calibration_file import Calibration
from evocache.search.cost.schedule_cost import Costs
from evocache.search.genome.search_space import Space
from evocache.search.genome.step_counts import choose_least_steps, condense, list_step_counts, resample_drift
from evocache.search.genome.variation import Draft, cross, mutate, retime
from evocache.search.optimise.evolution import Evolution
from evocache.search.optimise.job import Job
from evocache.search.optimise.polish import Polisher, list_knobs
from evocache.search.optimise.settings import Settings
from evocache.search.run import Run
from evocache.search.seeds.seed_schedules import drop_equal, make_fewer_steps_seeds, make_mask_seeds, make_seeds
from evocache.search.storage.journal_records import ScheduleWritten
from evocache.search.storage.packed_cells import pack, unpack_record
from evocache.search.storage.run_records import read_run
from tests.search.crews import Counting
from tests.search.trees import stack

TREE, STEPS, LEAST = stack(2), 12, 3
SPAN = TREE.of_kind("span")[0].id
SPACE = Space(TREE, STEPS, LEAST)
SPECS = ("none", "fora:2", "fora:4", "tgate:2", "taylorseer:3")
COUNTS = st.integers(LEAST, STEPS)


def made(spec: str, steps: int) -> Schedule:
    return parse(spec).schedule(TREE, steps)


def in_order(schedule: Schedule) -> bool:
    """Valid and canonical without repair, and of steps that the space allows."""
    again = Schedule(TREE, schedule.orders, schedule.gains)
    same = (again.orders == schedule.orders).all() and (again.gains == schedule.gains).all()
    return bool(same) and LEAST <= schedule.steps <= STEPS


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPECS), COUNTS, st.integers(0, 10_000))
def test_mutants_of_any_number_of_steps_are_schedules_within_the_bounds(spec: str, steps: int, seed: int) -> None:
    parent = made(spec, steps)
    children = [mutate(parent, SPACE, np.random.default_rng(seed)) for _ in range(2)]
    assert children[0] == children[1]
    assert in_order(children[0])
    assert in_order(mutate(children[0], SPACE, np.random.default_rng(seed + 1)))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPECS), st.sampled_from(SPECS), COUNTS, COUNTS, st.integers(0, 10_000))
def test_a_child_has_as_many_steps_as_its_mother(a: str, b: str, one: int, other: int, seed: int) -> None:
    child = cross(made(a, one), made(b, other), SPACE, np.random.default_rng(seed))
    assert in_order(child)
    assert child.steps == one


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPECS), COUNTS, COUNTS)
def test_condensed_schedules_are_schedules_and_what_always_computed_still_does(spec: str, old: int, new: int) -> None:
    schedule = made(spec, old)
    found = condense(schedule, new)
    assert found.steps == new
    assert in_order(found)
    always = schedule.executed.all(axis=0)
    assert found.executed[:, always].all()


def test_condensed_schedules_compute_as_often_as_there_are_steps_for() -> None:
    schedule = uniform(TREE, 12, [SPAN], (0, 2, 5, 9), forecast(1, 0.4))
    column = TREE.index[SPAN]
    for steps, computed in (
        (12, [0, 2, 5, 9]),
        (9, [0, 2, 4, 7]),
        (6, [0, 1, 2, 4]),
        (4, [0, 1, 2, 3]),
        (3, [0, 1, 2]),
    ):
        found = condense(schedule, steps)
        assert np.flatnonzero(found.executed[:, column]).tolist() == computed
    assert condense(schedule, 12) is schedule
    assert condense(schedule, 9).gains[3, column] == 0.4


def test_retiming_goes_near_and_far_and_nowhere_where_all_have_the_same_steps() -> None:
    counts = set()
    for seed in range(200):
        draft = Draft(made("fora:3", 8))
        retime(draft, SPACE, np.random.default_rng(seed))
        counts.add(draft.steps)
    assert counts == set(range(LEAST, STEPS + 1))
    draft = Draft(made("fora:3", STEPS))
    retime(draft, Space(TREE, STEPS), np.random.default_rng(0))
    assert draft.schedule() == made("fora:3", STEPS)


def test_where_all_have_the_same_steps_mutants_are_what_they_were() -> None:
    parent = made("fora:3", STEPS)
    for seed in range(20):
        found = [
            mutate(parent, space, np.random.default_rng(seed))
            for space in (Space(TREE, STEPS, STEPS), Space(TREE, STEPS))
        ]
        assert found[0] == found[1]
        assert found[0].steps == STEPS


def test_litters_and_knobs_have_any_number_of_steps() -> None:
    from evocache.search.optimise.hypervolume import Box

    parents = [uniform(TREE, n, [SPAN], range(0, n, 2), forecast(1, 0.5)) for n in (12, 8)]
    polisher = Polisher(SPACE, Box(np.zeros(2), np.ones(2)), np.random.default_rng(0))
    litters = polisher.litters(parents, np.array([[0.2, 0.8], [0.5, 0.4]]), 20)
    assert len({schedule.steps for litter in litters for schedule in litter}) > 2
    for litter in litters:
        for schedule in litter:
            assert in_order(schedule)
            assert all(knob.step < schedule.steps for knob in list_knobs(schedule, SPACE, 9))


def test_which_numbers_of_steps_are_tried() -> None:
    assert [choose_least_steps(n) for n in (1, 2, 4, 20, 50)] == [1, 2, 2, 3, 8]
    assert list_step_counts(3, 20) == list(range(3, 20))
    long = list_step_counts(8, 100)
    assert (long[0], long[-1]) == (8, 99)
    assert 15 < len(long) <= 24
    assert list_step_counts(5, 5) == []
    for wrong in (1, 0, 13):
        with pytest.raises(RunError, match="steps"):
            Space(TREE, STEPS, wrong)
    assert not Space(TREE, STEPS, STEPS).varies


def test_drift_between_fewer_steps_is_that_of_their_places_in_time() -> None:
    places = np.arange(12.0)
    drift = np.abs(places[None, :] - places[:, None])
    assert np.allclose(resample_drift(drift, 12), drift)
    assert np.allclose(resample_drift(drift, 6)[0], [0, 2, 4, 6, 8, 10])
    assert np.allclose(resample_drift(drift, 8)[1, 2:], 1.5 * np.arange(1, 7))
    above = np.triu(drift, 1)  # all that a calibration's file keeps
    assert np.allclose(np.triu(resample_drift(above, 9), 1), np.triu(resample_drift(drift, 9), 1))


def test_seeds_of_fewer_steps_are_few_and_hold_every_uncached_one() -> None:
    places = np.arange(STEPS) ** 0.7
    drift = {c.id: np.square(places[None, :] - places[:, None]) for c in TREE}
    calibration = Calibration(STEPS, Costs({c.id: 0.01 for c in TREE}, {}, {}), drift)
    same, more = make_seeds(TREE, calibration), make_seeds(TREE, calibration, LEAST)
    assert more[: len(same)] == same
    fewer = more[len(same) :]
    assert {s.steps for s in fewer if s.is_full} == set(range(LEAST, STEPS))
    masks = [s for s in fewer if not s.is_full]
    assert 4 <= len(masks) <= 16
    assert {s.steps for s in masks} == {10, 8, 7, 5}
    assert len(fewer) < 0.5 * len(same)
    assert any(s.provenance.origin == "8 steps, dp mask of 4 steps, gain 0.6" for s in masks)


# A landscape: a solver's error falls with its steps; caching adds to it; skipped steps cost a tenth of computed ones.

SEEDS = drop_equal([*make_mask_seeds(TREE, STEPS, gains=(0.0, 0.5)), Schedule.full(TREE, STEPS)])
FEWER = drop_equal([*SEEDS, *make_fewer_steps_seeds(TREE, STEPS, {}, LEAST)])


def error(schedule: Schedule, prompt: int) -> float:
    column, last, total = TREE.index[SPAN], 0, 0.0
    for step in range(schedule.steps):
        if schedule.executed[step, column]:
            last = step
        else:
            ahead = (step - last) * STEPS / schedule.steps
            total += ahead**2 * (0.2 + (schedule.gains[step, column] - 0.7) ** 2)
    leaves = 1 - schedule.executed[:, TREE.leaves][schedule.executed[:, column]].mean()
    return total + 20 * leaves + 60 * (1 / schedule.steps**2 - 1 / STEPS**2) * (1 + 0.1 * prompt)


def price(schedule: Schedule) -> Mapping[str, float]:
    executed = schedule.executed[:, TREE.leaves].mean(axis=1).sum()
    return {"latency": float(0.1 * schedule.steps + 0.9 * executed) / STEPS}


def answer(job: Job) -> list[float]:
    if job.turns:
        return [float(i == j) for i in range(1 + len(job.turns)) for j in range(1 + len(job.turns))]
    return [error(job.schedule, prompt) for prompt in job.prompts]


def drive(space: Space, seeds: list[Schedule], settings: Settings) -> tuple[Front, float]:
    evolution, spent = Evolution(space, seeds, settings, price), 0.0
    while True:
        while jobs := evolution.ask():
            for job in jobs:
                schedules = (job.schedule, *job.turns)
                steps = sum(s.executed[:, TREE.leaves].mean(axis=1).sum() for s in schedules)
                spent += float(steps) * len(job.prompts)
            evolution.tell(jobs, [answer(job) for job in jobs])
        assert evolution.state.step_equivalents == pytest.approx(spent)
        if evolution.is_finished:
            return evolution.front(), spent
        evolution.begin_generation()


def least_error(front: Front, latency: float) -> float:
    return min(p.objectives["error"] for p in front if p.objectives["latency"] <= latency + 1e-9)


SETTINGS = Settings(population=24, offspring=10, generations=6, prompts=4, rungs=(2,), polish=2)


def test_fewer_steps_are_found_where_they_are_best() -> None:
    same, _ = drive(Space(TREE, STEPS), SEEDS, SETTINGS)
    front, _ = drive(SPACE, FEWER, SETTINGS)
    assert {p.schedule.steps for p in same} == {STEPS}
    assert len({p.schedule.steps for p in front}) >= 4
    for steps in range(LEAST, STEPS):  # no worse than the uncached pipeline of fewer steps at equal time
        full = Schedule.full(TREE, steps)
        own = np.mean([error(full, prompt) for prompt in range(4)])
        assert least_error(front, price(full)["latency"]) <= own + 1e-9
    assert least_error(front, 0.4) < 0.7 * least_error(same, 0.4)
    combined = [p for p in front if p.schedule.steps < STEPS and not p.schedule.is_full]
    assert combined
    # what computes everything at fewer steps is no uncached one, and may be bred from and drawn a box around
    assert any(p.schedule.is_full and p.schedule.steps < STEPS for p in front)


def test_a_search_finds_numbers_of_steps_that_it_was_not_given() -> None:
    front, _ = drive(SPACE, SEEDS, SETTINGS)
    assert min(p.schedule.steps for p in front) < STEPS


def run(folder: Path, evaluator: Counting, space: Space = SPACE) -> Run:
    folder.mkdir(exist_ok=True)
    return Run(folder, space, FEWER, SETTINGS, price, evaluator, identity={"prompts": [], "judge": "latent"})


def test_a_killed_run_of_mixed_steps_goes_on_to_the_same_front_and_its_journal_tells_them(tmp_path: Path) -> None:
    whole = Counting(answer)
    expected = run(tmp_path / "whole", whole).evolve()
    broken, rest = Counting(answer, die_after=100), Counting(answer)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", broken).evolve()
    front = run(tmp_path / "broken", rest).evolve()
    figures = [[(p.schedule.digest, dict(p.objectives)) for p in found] for found in (front, expected)]
    assert figures[0] == figures[1]
    assert broken.jobs + rest.jobs == whole.jobs
    history = read_history(tmp_path / "broken")
    assert history.steps == STEPS
    own = {p.schedule.digest: p.schedule for p in history.points}
    assert {p.schedule.digest for p in front} <= own.keys()
    assert {s.steps for s in own.values()} > {STEPS, 5}
    again = history.front(lambda schedule: price(schedule)["latency"])
    kept = {p.schedule.digest for p in expected if not (p.schedule.is_full and p.schedule.steps == STEPS)}
    assert {p.schedule.digest for p in again} == kept
    assert again.uncached_steps == STEPS
    written = read_run(tmp_path / "broken").schedules.values()
    assert {record.steps for record in written} > {None, 5}
    for record in written:
        assert record.steps is None or record.steps < STEPS
        assert unpack_record(record, Schedule.full(TREE, STEPS)).digest == record.digest


def test_a_run_with_other_least_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", Counting(answer, die_after=3)).evolve()
    with pytest.raises(RunError, match="least steps"):
        run(tmp_path / "run", Counting(answer), Space(TREE, STEPS, LEAST + 1)).evolve()


@pytest.mark.parametrize("steps", [0, -3, 13, 10**9])
def test_records_of_impossible_steps_are_refused(steps: int) -> None:
    short = made("fora:2", 8)
    with pytest.raises(RunError, match="steps"):
        unpack_record(ScheduleWritten(short.digest, pack(short), steps=steps), Schedule.full(TREE, STEPS))
    with pytest.raises(RunError, match="cells"):
        unpack_record(ScheduleWritten(short.digest, pack(short)), Schedule.full(TREE, STEPS))


def test_every_computed_cell_is_a_computing_one() -> None:
    found = condense(made("tgate:2", 9), 5)
    assert ((found.orders == COMPUTE.order) | ~found.executed).all()
