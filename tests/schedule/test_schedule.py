"""The schedule: an immutable value with a stable hash, and what can be read off it."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evocache.schedule as package
from evocache.errors import ScheduleError
from evocache.schedule import COMPUTE, REUSE, Component, Provenance, Schedule, Tree, forecast, uniform

from .strategies import MODEST, dit, grid, schedules

BLOCK, ATTN, FF = "transformer/blocks.0", "transformer/blocks.0.attn1", "transformer/blocks.0.ff"


def example() -> Schedule:
    tree = dit(1)
    orders = grid(tree, "CCCC", "CCRC", "CRRC", "CCC1")
    return Schedule(tree, orders, np.full(orders.shape, 0.5), {"transformer": "Toy"}, Provenance("by hand"))


def test_the_package_lists_what_it_exports():
    style = {name: (not name.isupper(), name[0].islower(), name) for name in package.__all__}
    assert package.__all__ == sorted(package.__all__, key=style.__getitem__)
    assert {name for name in package.__all__ if not hasattr(package, name)} == set()


def test_nothing_of_a_schedule_can_be_changed():
    schedule = example()
    for name in ("orders", "gains", "executed", "read"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(schedule, name)[0, 0] = 0
        with pytest.raises(FrozenInstanceError):
            setattr(schedule, name, None)


def test_a_schedule_does_not_follow_the_arrays_it_was_made_from():
    tree = dit(1)
    orders, gains = grid(tree, "CC", "CC", "C1", "CR"), np.full((2, 4), 0.5)
    schedule = Schedule(tree, orders, gains)
    orders[:], gains[:] = -1, 9.0
    assert schedule.orders.tolist() == [[-1, -1, -1, -1], [-1, -1, 0, 0]]


def test_a_schedule_does_not_follow_the_mappings_it_was_made_from():
    model, objectives, notes = {"transformer": "Toy"}, {"seconds": 1.0}, {"by": "hand"}
    schedule = Schedule.full(dit(1), 2, model=model, provenance=Provenance("", objectives, notes))
    model["unet"], objectives["seconds"], notes["by"] = "Other", 2.0, "machine"
    assert schedule.model == {"transformer": "Toy"}
    assert schedule.provenance == Provenance("", {"seconds": 1.0}, {"by": "hand"})


@pytest.mark.parametrize("copied", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy, copy.copy])
def test_copies_and_pickles_are_equal_and_read_only(copied):
    schedule = example()
    other = copied(schedule)
    assert other == schedule
    assert (other.tree, other.model, other.provenance) == (schedule.tree, schedule.model, schedule.provenance)
    for array in (other.orders, other.gains, other.executed, other.read, other.tree.parents):
        assert not array.flags.writeable
    assert other.executed.tolist() == schedule.executed.tolist()
    assert other.read.tolist() == schedule.read.tolist()
    assert other.resampled(7) == schedule.resampled(7)


def test_a_pickle_is_not_made_canonical_again(monkeypatch):
    text = pickle.dumps(example())
    monkeypatch.setattr("evocache.schedule.schedule.canonicalise", None)
    assert pickle.loads(text).digest == "422f25af8cefa785"


def test_digest_is_pinned():
    assert example().digest == "422f25af8cefa785"


def test_identity_is_behaviour_alone():
    schedule = example()
    other = Schedule(
        schedule.tree, schedule.orders.astype(np.int64), schedule.gains, provenance=Provenance("elsewhere")
    )
    assert (other == schedule, hash(other) == hash(schedule), len({other, schedule})) == (True, True, 1)
    assert other.provenance != schedule.provenance
    assert schedule != "422f25af8cefa785"


@MODEST
@given(schedules(), st.data())
def test_another_cell_is_another_schedule(schedule, data):
    executed = [(step, column) for step, column in np.argwhere(schedule.executed).tolist() if step]
    if not executed:
        return
    step, column = data.draw(st.sampled_from(executed))
    orders = schedule.orders.copy()
    orders[step, column] = REUSE.order
    other = Schedule.repaired(schedule.tree, orders, schedule.gains)
    assert other != schedule
    assert other.digest != schedule.digest


def test_steps_names_and_gains_tell_schedules_apart():
    tree = dit(1, ("ff",))
    forecasts = [uniform(tree, 4, [FF], [0, 1], forecast(1, gain)) for gain in (0.5, 1.0)]
    others = [Schedule.full(tree, 4), Schedule.full(tree, 5), Schedule.full(dit(1, ("attn1",)), 4), *forecasts]
    assert len({s.digest for s in others}) == 5


def test_actions_counts_and_shares():
    schedule = example()
    assert [schedule.action(step, FF) for step in range(4)] == [COMPUTE, COMPUTE, REUSE, forecast(1, 0.5)]
    assert schedule.counts() == {"transformer": 4, BLOCK: 3, ATTN: 2, FF: 2}
    assert schedule.executed_fraction() == 4 / 8
    assert (schedule.steps, schedule.is_full, Schedule.full(schedule.tree, 2).is_full) == (4, False, True)


def test_costs_are_exclusive():
    schedule = example()
    assert schedule.cost({"transformer": 1.0, BLOCK: 10.0, ATTN: 100.0}) == 4 + 30 + 200
    assert schedule.executed_fraction({BLOCK: 1.0, FF: 3.0}) == (3 + 6) / 16
    assert schedule.executed_fraction({"elsewhere": 1.0}) == 1.0


def test_uniform_leaves_the_other_columns_alone():
    schedule = uniform(dit(1), 5, [FF], [0, 1, 4], forecast(1, 0.5))
    assert schedule.executed.sum(axis=0).tolist() == [5, 5, 5, 3]
    assert [schedule.action(s, FF) for s in range(5)] == [COMPUTE, COMPUTE, forecast(1, 0.5), forecast(1, 0.5), COMPUTE]
    with pytest.raises(ScheduleError, match="at step 0"):
        uniform(dit(1), 5, [FF], [1, 4])


def test_uniform_knows_only_components_and_steps_that_are_there():
    with pytest.raises(ScheduleError, match=r"blocks\.0\.ff3.*such as transformer/blocks\.0\.ff"):
        uniform(dit(1), 5, [FF + "3"], [0])
    for step in (5, -1):
        with pytest.raises(ScheduleError, match=rf"step {step}.*0\.\.4"):
            uniform(dit(1), 5, [FF], [0, step])


def test_a_late_start_computes_first():
    schedule = example().starting_at(1)
    assert schedule.steps == 3
    assert schedule.executed.T.tolist() == [[True] * 3, [True, False, True], [True, False, True], [True, False, False]]
    assert schedule.provenance.origin == "by hand"
    assert dict(schedule.model) == {"transformer": "Toy"}
    assert example().starting_at(0) == example()


@pytest.mark.parametrize("step", [-1, 4, 9])
def test_a_start_lies_within_the_schedule(step):
    with pytest.raises(ScheduleError, match=r"a step in 0\.\.3"):
        example().starting_at(step)


def test_one_denoiser_of_several():
    both = Tree((*dit(1).components, *dit(1, denoiser="prior").components))
    orders = np.hstack([grid(dit(1), "CC", "CC", "CR", "CC"), grid(dit(1), "CR", "CR", "CR", "CR")])
    part = Schedule(both, orders, model={"prior": "Toy"}).of_denoiser("transformer")
    assert part == uniform(dit(1), 2, [ATTN], [0])
    assert part.of_denoiser("transformer") is part
    with pytest.raises(ScheduleError, match="'unet'; why: expected one of transformer, prior"):
        Schedule(both, orders).of_denoiser("unet")


def test_provenance_is_replaced_without_touching_identity():
    schedule = example().with_provenance(objectives={"seconds": 1.5})
    assert schedule.provenance == Provenance("by hand", {"seconds": 1.5})
    assert schedule.with_provenance("fora:3").provenance == Provenance("fora:3", {"seconds": 1.5})
    assert schedule == example()


def test_repr_says_what_matters():
    assert repr(example()) == "<Schedule 'by hand': 4 steps, 4 components, 50% executed>"
    assert repr(Schedule.full(dit(1), 2)) == "<Schedule: 2 steps, 4 components, 100% executed>"


@pytest.mark.parametrize(
    ("orders", "gains", "given"),
    [
        (np.zeros((4,), int), None, "a grid of shape (4,)"),
        (np.zeros((4, 3), int), None, "a grid of shape (4, 3)"),
        (np.zeros((0, 4), int), None, "a grid of shape (0, 4)"),
        (np.full((2, 4), -2), None, "orders out of range"),
        (np.full((2, 4), 4), None, "orders out of range"),
        (np.full((2, 4), 300), None, "orders out of range"),
        (np.full((2, 4), -1.0), None, "orders out of range"),
        (np.full((2, 4), True), None, "orders out of range"),
        (np.full((2, 4), -1), np.ones((2, 3)), "gains of shape (2, 3)"),
        (np.full((2, 4), -1), np.full((2, 4), np.nan), "gains of shape (2, 4)"),
    ],
)
def test_grids_that_are_none(orders, gains, given):
    with pytest.raises(ScheduleError) as caught:
        Schedule(dit(1), orders, gains)
    assert caught.value.given == given


@pytest.mark.parametrize(
    "steps", [10**9, pytest.param(10**5000, id="5001 digits"), 2_500_001, 0, -1, True, 2.0, "3", None]
)
def test_no_grid_is_made_of_what_is_no_number_of_steps(steps):
    made = (
        lambda: Schedule.full(dit(1), steps),
        lambda: Schedule.full(dit(1), 3).resampled(steps),
        lambda: uniform(dit(1), steps, [], []),
    )
    for make in made:
        with pytest.raises(ScheduleError, match="steps"):
            make()


def test_huge_grids_are_refused():
    orders = np.lib.stride_tricks.as_strided(np.array([-1], dtype=np.int8), (2_500_001, 4), (0, 0))
    with pytest.raises(ScheduleError, match="2500001 steps of 4 components"):
        Schedule(dit(1), orders)
    with pytest.raises(ScheduleError, match=r"shape \(2, 0\)"):
        Schedule(Tree(()), np.zeros((2, 0), int))


def test_a_denoiser_alone_has_no_leaves_to_count():
    schedule = Schedule(Tree((Component("unet", "denoiser"),)), grid(Tree((Component("unet", "denoiser"),)), "CRC"))
    assert schedule.executed_fraction() == 1.0
    assert schedule.counts() == {"unet": 2}
