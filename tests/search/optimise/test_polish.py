"""Polishing finds gains that move the output linearly at once, within bounds, and chooses what was not polished yet."""

from __future__ import annotations

import numpy as np
import pytest

from evocache.policies import parse
from evocache.schedule import Schedule, forecast, uniform
from evocache.search.genome.search_space import Space
from evocache.search.optimise.hypervolume import Box
from evocache.search.optimise.polish import (
    FARTHEST,
    LARGEST,
    TURN,
    Knob,
    Polisher,
    list_knobs,
    polish_gains,
    turn_knobs,
)
from tests.search.trees import stack

TREE, STEPS = stack(), 12
SPACE = Space(TREE, STEPS)
SPAN = TREE.of_kind("span")[0].id
MASK = (0, 2, 4, 7, 10)
FORECAST = uniform(TREE, STEPS, [SPAN], MASK, forecast(1, 0.5))


def gains(schedule: Schedule, found: list[Knob]) -> np.ndarray:
    assert schedule.gains is not None
    return np.array([schedule.gains[knob.step, knob.columns[0]] for knob in found])


def gram(schedule: Schedule, found: list[Knob], best: np.ndarray, mix: np.ndarray) -> np.ndarray:
    """Of a made-up pipeline whose output moves by `mix` with the gains, and is right at the `best` ones."""
    rows = np.stack([mix @ (gains(schedule, found) - best), *(TURN * mix.T)])
    return (rows @ rows.T).reshape(-1)


def test_there_is_a_knob_for_each_step_that_can_be_forecast() -> None:
    found = list_knobs(FORECAST, SPACE, most=99)
    # step 1 has only one computed value before it
    assert [knob.step for knob in found] == [3, 5, 6, 8, 9, 11]
    assert all(knob.columns.tolist() == [TREE.index[SPAN]] for knob in found)


def test_of_many_knobs_those_that_forecast_farthest_are_kept() -> None:
    assert [knob.step for knob in list_knobs(FORECAST, SPACE, most=2)] == [6, 9]


def test_leaves_of_a_kind_are_one_knob() -> None:
    schedule = parse("fora:3").schedule(TREE, STEPS)
    found = list_knobs(schedule, SPACE, most=99)
    assert {len(knob.columns) for knob in found} == {4}
    assert len(found) == 3 * 6  # kinds, and skipped steps after the second computed one


@pytest.mark.parametrize("seed", range(5))
def test_gains_that_move_the_output_linearly_are_found_in_one_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = list_knobs(FORECAST, SPACE, most=99)
    best, mix = rng.uniform(-0.3, 1.3, len(found)), rng.normal(size=(40, len(found)))
    candidates = polish_gains(FORECAST, found, gram(FORECAST, found, best, mix).tolist())
    errors = [float(np.linalg.norm(mix @ (gains(s, found) - best))) for s in (FORECAST, *candidates)]
    assert min(errors) < 0.05 * errors[0]
    assert np.abs(gains(candidates[-1], found) - best).max() < 0.05  # the boldest comes last


def test_no_gain_goes_too_far() -> None:
    found = list_knobs(FORECAST, SPACE, most=99)
    best, mix = np.full(len(found), 50.0), np.eye(len(found))
    for schedule in polish_gains(FORECAST, found, gram(FORECAST, found, best, mix).tolist()):
        assert np.abs(gains(schedule, found) - 0.5).max() <= FARTHEST + 1e-9
    assert np.abs(gains(turn_knobs(FORECAST, found, [99.0] * len(found)), found)).max() == LARGEST


def test_failed_generations_give_no_candidates() -> None:
    found = list_knobs(FORECAST, SPACE, most=99)
    assert polish_gains(FORECAST, found, [float("inf")] * (1 + len(found)) ** 2) == []


MASKS = [uniform(TREE, STEPS, [SPAN], range(0, STEPS, n), forecast(1, 0.5)) for n in (2, 3, 4)]
VALUES = np.array([[0.0, 0.9], [1.0, 0.8], [2.0, 0.1]])
BOX = Box(np.array([0.0, 0.0]), np.array([4.0, 1.0]))


def test_points_of_the_front_are_polished_once_and_those_first_that_promise_most() -> None:
    polisher = Polisher(SPACE, BOX, np.random.default_rng(0))
    first = polisher.points(MASKS, VALUES, 2)
    assert first[0] == MASKS[2]  # between it and the next one lies most
    assert len({*first}) == 2
    assert polisher.points(MASKS, VALUES, 2) == [schedule for schedule in MASKS if schedule not in first]
    assert polisher.points(MASKS, VALUES, 2) == []


def test_what_was_polished_is_polished_again_for_less_and_less() -> None:
    polisher = Polisher(SPACE, BOX, np.random.default_rng(0))
    schedule, times = MASKS[2], 0
    while polisher.points([schedule], VALUES[2:], 1) == [schedule]:
        times += 1
        found = polisher.knobs(schedule)
        best, mix = gains(schedule, found) + 0.3, np.eye(len(found))
        schedule = polisher.results(schedule, found, gram(schedule, found, best, mix).tolist())[-1]
    assert times == 3
    # what has not been polished goes before what has, although it promises as much
    schedules, values = [schedule, MASKS[2]], np.array([[2.0, 0.1], [2.0, 0.1]])
    assert Polisher.points(polisher, schedules, values, 1) == []  # its origin has been polished, too
    other = uniform(TREE, STEPS, [SPAN], (0, 4, 9), forecast(1, 0.5))
    assert polisher.points([schedule, other], values, 1) == [other]


def test_litters_are_changed_schedules_that_can_be_polished() -> None:
    polisher = Polisher(SPACE, BOX, np.random.default_rng(0), litter=5)
    litters = polisher.litters(MASKS, VALUES, 20)
    assert len(litters) > 15
    for litter in litters:
        assert 1 <= len({*litter}) == len(litter) <= 5
        assert not {*litter} & {*MASKS}
        assert all(polisher.knobs(schedule) for schedule in litter)


def test_of_a_litter_the_one_is_picked_that_would_add_most() -> None:
    polisher = Polisher(SPACE, BOX, np.random.default_rng(0))
    litter = np.array([[2.1, 0.12], [1.3, 0.4], [3.0, 0.05], [1.0, 0.85]])
    assert polisher.pick(litter, VALUES) == 1
