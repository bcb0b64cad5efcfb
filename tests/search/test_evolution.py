"""The evolution on a made-up landscape: better than its seeds, deterministic, sparing, within limits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
from pymoo.indicators.hv import HV

from evocache.errors import RunError
from evocache.schedule import Schedule
from evocache.schedule.front import Front
from evocache.search.evolution import Job, Settings, State, evolve
from evocache.search.seeds import distinct, mask_seeds, policy_seeds
from evocache.search.space import Space
from tests.search.trees import stack

TREE, STEPS = stack(), 12
SPACE = Space(TREE, STEPS)
SEEDS = distinct(iter([*policy_seeds(TREE, STEPS), *mask_seeds(TREE, STEPS)]))
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
    evolution, cost = evolve(SPACE, seeds, settings, price), 0
    item = next(evolution)
    while True:
        try:
            if isinstance(item, State):
                item = evolution.send(False)
            else:
                cost += sum(len(job.prompts) for job in item)
                item = evolution.send([answer(job, fail) for job in item])
        except StopIteration as end:
            return end.value, cost


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
