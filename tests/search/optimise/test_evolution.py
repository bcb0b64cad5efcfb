"""The evolution on a made-up landscape: better than its seeds, deterministic, sparing, within limits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
from pymoo.indicators.hv import HV

from evocache.errors import RunError
from evocache.schedule import Schedule
from evocache.schedule.front.front import Front
from evocache.search.genome.memory_genes import Design
from evocache.search.genome.search_space import Space
from evocache.search.optimise.evolution import Evolution
from evocache.search.optimise.job import Job
from evocache.search.optimise.settings import Settings
from evocache.search.seeds.seed_schedules import drop_equal, make_mask_seeds, make_policy_seeds
from tests.search.trees import stack

TREE, STEPS = stack(), 12
SPACE = Space(TREE, STEPS)
SEEDS = drop_equal(iter([*make_policy_seeds(TREE, STEPS), *make_mask_seeds(TREE, STEPS)]))
REFERENCE = np.array([2000.0, 1.05])


def residual(schedule: Schedule, prompt: int) -> npt.NDArray[np.float64]:
    """Grows with the age of what is read; early steps change fast; a gain of 0.6 mends a part of it."""
    out = np.zeros((2, STEPS, len(TREE)))
    for column in range(len(TREE)):
        last = 0
        for step in range(STEPS):
            if schedule.executed[step, column]:
                last = step
            elif schedule.read[step, column]:
                scale = (step - last) * np.sqrt((1 + 4 / (1 + step)) * (1 + 0.2 * np.sin(prompt)))
                out[:, step, column] = scale * (schedule.gains[step, column] - 0.6), scale * 0.5
    return out.reshape(-1)


def error(schedule: Schedule, prompt: int) -> float:
    return float(np.square(residual(schedule, prompt)).sum())


def price(schedule: Schedule) -> Mapping[str, float]:
    return {"latency": schedule.executed_fraction()}


def drive(settings: Settings, seeds: list[Schedule] = SEEDS, fail: str = "") -> tuple[Front, int]:
    evolution, cost = Evolution(SPACE, seeds, settings, price), 0
    while True:
        while jobs := evolution.ask():
            cost += sum(len(job.prompts) for job in jobs)
            evolution.tell(jobs, [answer(job, fail) for job in jobs])
        if evolution.is_finished:
            return evolution.front(), cost
        evolution.begin_generation()


def answer(job: Job, fail: str) -> list[float]:
    if job.schedule.digest == fail:
        return [float("nan")] * (len(job.prompts) if not job.turns else (1 + len(job.turns)) ** 2)
    if not job.turns:
        return [error(job.schedule, prompt) for prompt in job.prompts]
    total = np.zeros((1 + len(job.turns),) * 2)
    for prompt in job.prompts:
        base, *others = (residual(schedule, prompt) for schedule in (job.schedule, *job.turns))
        rows = np.stack([base, *(other - base for other in others)])
        total += rows @ rows.T / (base @ base)
    return [float(value) for value in (total / len(job.prompts)).reshape(-1)]


def volume(points: list[tuple[float, float]]) -> float:
    return float(HV(ref_point=REFERENCE)(np.array(points)))


def mean(schedule: Schedule, prompts: int = 8) -> float:
    return float(np.mean([error(schedule, p) for p in range(prompts)]))


def test_the_front_is_better_than_its_seeds_and_no_point_dominates_another() -> None:
    front, _ = drive(Settings(population=20, offspring=16, generations=12, prompts=8))
    before = volume([(mean(s), price(s)["latency"]) for s in SEEDS])
    values = [(p.objectives["error"], p.objectives["latency"]) for p in front]
    assert volume(values) > before * 1.005
    for a in values:
        assert not any(b[0] <= a[0] and b[1] <= a[1] and b != a for b in values)
    for point in front:
        assert point.objectives["error"] == pytest.approx(mean(point.schedule))


def test_the_same_seed_gives_the_same_front() -> None:
    settings = Settings(population=12, offspring=8, generations=4, prompts=6)
    one, other = drive(settings)[0], drive(settings)[0]
    assert [p.schedule.digest for p in one] == [p.schedule.digest for p in other]
    different = drive(Settings(population=12, offspring=8, generations=4, prompts=6, seed=1))[0]
    assert [p.schedule.digest for p in one] != [p.schedule.digest for p in different]


def test_rungs_spare_prompts() -> None:
    shape = {"population": 12, "offspring": 12, "generations": 4, "prompts": 8}
    spared, full = drive(Settings(**shape, rungs=(2,)))[1], drive(Settings(**shape, rungs=()))[1]
    assert spared < 0.6 * full


def test_a_candidate_that_fails_is_left_out() -> None:
    failing = SEEDS[3]
    front, _ = drive(Settings(population=12, offspring=8, generations=2, prompts=4, rungs=(2,)), fail=failing.digest)
    assert failing.digest not in {p.schedule.digest for p in front}
    assert len(front) > 3


def test_limits_are_kept_and_impossible_ones_refused() -> None:
    shape = {"population": 12, "offspring": 8, "generations": 3, "prompts": 4, "rungs": (2,)}
    front, _ = drive(Settings(**shape, limits={"latency": 0.5}))
    assert len(front) > 2
    assert max(p.objectives["latency"] for p in front) <= 0.5
    with pytest.raises(RunError, match="limits"):
        drive(Settings(**shape, limits={"latency": 0.0}))


@pytest.mark.parametrize(
    "wrong", [{"population": 1}, {"prompts": 0}, {"rungs": (4, 2)}, {"rungs": (16,)}, {"offspring": 0}]
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RunError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_what_is_started_from_is_asked_first_and_on_all_prompts() -> None:
    settings = Settings(population=4, offspring=4, generations=1, prompts=4, rungs=(1,))
    start = [Design(seed) for seed in (SEEDS[-1], SEEDS[2], SEEDS[-1])]
    evolution = Evolution(SPACE, SEEDS, settings, price, start=start)
    first = evolution.ask()
    assert [job.schedule.digest for job in first] == [SEEDS[-1].digest, SEEDS[2].digest]
    assert all(sorted(job.prompts) == [0, 1, 2, 3] for job in first)
    evolution.tell(first, [answer(job, "") for job in first])
    assert {job.schedule.digest for job in evolution.ask()} == {s.digest for s in SEEDS} - {
        d.schedule.digest for d in start
    }


def finish(evolution: Evolution, answered: int) -> Front:
    """The front of an evolution that is given so many more answers."""
    while True:
        while jobs := evolution.ask():
            some = jobs[:answered]
            answered -= len(some)
            evolution.tell(some, [answer(job, "") for job in some])
        if evolution.is_finished:
            return evolution.front()
        evolution.begin_generation()


@pytest.mark.parametrize("answered", [0, 5, 10_000])
def test_the_front_is_at_least_as_good_as_what_it_was_started_from(answered: int) -> None:
    """However early the first generation is cut: after no other job, after a few, or not at all."""
    whole, _ = drive(Settings(population=12, offspring=8, generations=4, prompts=4, rungs=(2,)))
    start = [Design(point.schedule) for point in whole]
    settings = Settings(population=4, offspring=4, generations=1, prompts=4, rungs=(1,), seed=3)
    evolution = Evolution(SPACE, SEEDS, settings, price, start=start)
    evolution.tell(evolution.ask(), [answer(job, "") for job in evolution.ask()])
    front = finish(evolution, answered)
    for given in whole:
        assert any(
            all(point.objectives[name] <= given.objectives[name] + 1e-12 for name in given.objectives)
            for point in front
        )
    if not answered:
        assert {point.schedule for point in front} == {design.schedule for design in start}


def test_what_is_started_from_may_break_a_limit_or_fail() -> None:
    settings = Settings(population=4, offspring=4, generations=0, prompts=4, rungs=(1,), limits={"latency": 0.9})
    cheap = min(SEEDS, key=lambda seed: price(seed)["latency"])
    evolution = Evolution(SPACE, SEEDS, settings, price, start=[Design(Schedule.full(TREE, STEPS)), Design(cheap)])
    first = evolution.ask()
    assert [job.schedule.digest for job in first] == [cheap.digest]
    evolution.tell(first, [[np.inf] * 4])
    front = finish(evolution, 10_000)
    assert len(front)
    assert max(point.objectives["latency"] for point in front) <= 0.9


TINY = Settings(population=4, offspring=4, generations=1, prompts=4, rungs=(1,), polish=2)


def test_outcomes_may_come_in_any_order_and_asking_twice_changes_nothing() -> None:
    def front(backwards: bool) -> list[tuple[str, float]]:
        evolution = Evolution(SPACE, SEEDS, TINY, price)
        while True:
            while jobs := evolution.ask():
                assert [job.key for job in evolution.ask()] == [job.key for job in jobs]
                jobs = jobs[::-1] if backwards else jobs
                evolution.tell(jobs, [answer(job, "") for job in jobs])
            if evolution.is_finished:
                return [(p.schedule.digest, p.objectives["error"]) for p in evolution.front()]
            evolution.begin_generation()

    assert front(backwards=True) == front(backwards=False)


@pytest.mark.parametrize("given", ["None", "left out"])
def test_a_job_without_an_outcome_ends_the_evolution_after_its_generation(given: str) -> None:
    evolution = Evolution(SPACE, SEEDS, TINY, price)
    jobs = evolution.ask()
    outcomes = [answer(job, "") for job in jobs]
    if given == "None":
        evolution.tell(jobs, [*outcomes[:-1], None])
    else:
        evolution.tell(jobs[:-1], outcomes[:-1])
    assert evolution.ask() == []
    assert evolution.is_finished
    assert (evolution.state.generation, evolution.state.cut, evolution.state.jobs) == (0, True, len(jobs) - 1)
    assert jobs[-1].schedule.digest not in {point.schedule.digest for point in evolution.front()}


def test_outcomes_of_other_jobs_are_refused_and_change_nothing() -> None:
    evolution = Evolution(SPACE, SEEDS, TINY, price)
    jobs = evolution.ask()
    with pytest.raises(RunError, match="ask first"):
        evolution.tell([*jobs, Job(SEEDS[0], (0, 1, 2, 3))], [[1.0]] * (len(jobs) + 1))
    with pytest.raises(RunError, match="each its own"):
        evolution.tell(jobs, [[1.0]])
    assert [job.key for job in evolution.ask()] == [job.key for job in jobs]
