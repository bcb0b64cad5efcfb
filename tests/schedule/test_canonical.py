"""Canonical form, against a second statement of the rules: a recursive simulator of what runs and what is read."""

from __future__ import annotations

from functools import cache
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import ScheduleError
from evocache.schedule import Schedule, Tree, canonical

from .strategies import MODEST, dit, grid, schedules, single, wishes


class TooEarlyError(Exception):
    """Something is reused before it was computed."""


def simulate(tree: Tree, orders: np.ndarray, gains: np.ndarray, *, repair: bool) -> list[list[object]]:
    """What happens in every cell: "run", None, or (steps whose values are read, gain), decided by recursion."""
    components = {c.id: c for c in tree}

    @cache
    def looked_at(step: int, id: str) -> bool:
        c = components[id]
        if c.parent is not None and happens(step, c.parent) != "run":
            return False
        return not c.readers or any(happens(step, r) == "run" for r in c.readers)

    @cache
    def happens(step: int, id: str) -> object:
        if not looked_at(step, id):
            return None
        order, gain = int(orders[step, tree.index[id]]), float(gains[step, tree.index[id]])
        if order == -1:
            return "run"
        past = [s for s in range(step - 1, -1, -1) if happens(s, id) == "run"]
        if not past:
            if repair:
                return "run"
            raise TooEarlyError(id, step)
        if order == 0 or gain == 0 or len(past) == 1:
            return (past[0],), 0.0
        return tuple(past[: order + 1]), gain

    return [[happens(step, c.id) for c in tree] for step in range(len(orders))]


@MODEST
@given(wishes())
def test_a_repaired_grid_does_what_the_wish_does(wish):
    tree, orders, gains = wish
    schedule = Schedule.repaired(tree, orders, gains)
    behaviour = simulate(tree, orders, gains, repair=True)
    assert simulate(tree, schedule.orders, schedule.gains, repair=False) == behaviour
    assert schedule.executed.tolist() == [[cell == "run" for cell in row] for row in behaviour]
    assert schedule.read.tolist() == [[isinstance(cell, tuple) for cell in row] for row in behaviour]


@MODEST
@given(wishes())
def test_every_cell_has_its_canonical_value(wish):
    tree, orders, gains = wish
    schedule = Schedule.repaired(tree, orders, gains)
    for step, row in enumerate(simulate(tree, orders, gains, repair=True)):
        for column, cell in enumerate(row):
            found = schedule.orders[step, column], schedule.gains[step, column]
            if cell == "run":
                assert found == (-1, 0)
            elif cell is None:
                assert found == (0, 0)
            else:
                assert found == (len(cell[0]) - 1, cell[1])
    assert not np.signbit(schedule.gains[schedule.orders <= 0]).any()


@MODEST
@given(st.data())
def test_equal_is_what_behaves_alike(data):
    tree, orders, gains = data.draw(wishes(steps=3))
    _, others, other_gains = data.draw(wishes(tree, steps=3))
    change = data.draw(st.integers(0, orders.size - 1))
    others = np.where(np.arange(orders.size).reshape(orders.shape) == change, others, orders)
    other_gains = np.where(others == orders, gains, other_gains)
    alike = simulate(tree, orders, gains, repair=True) == simulate(tree, others, other_gains, repair=True)
    assert (Schedule.repaired(tree, orders, gains) == Schedule.repaired(tree, others, other_gains)) == alike


@MODEST
@given(wishes())
def test_without_repair_an_early_reuse_is_an_error(wish):
    tree, orders, gains = wish
    try:
        simulate(tree, orders, gains, repair=False)
    except TooEarlyError:
        with pytest.raises(ScheduleError, match="before it was computed"):
            Schedule(tree, orders, gains)
    else:
        assert Schedule(tree, orders, gains) == Schedule.repaired(tree, orders, gains)


@MODEST
@given(schedules())
def test_canonical_form_is_a_fixed_point(schedule):
    again = Schedule(schedule.tree, schedule.orders, schedule.gains)
    assert again.digest == schedule.digest
    assert again.gains.tobytes() == schedule.gains.tobytes()


def test_early_reuse_names_component_and_step():
    tree = dit(1)
    with pytest.raises(ScheduleError) as caught:
        Schedule(tree, grid(tree, "CCC", "CCC", "CCC", "RRC"))
    assert caught.value.given == "transformer/blocks.0.ff is reused at step 0, before it was computed"
    assert "Schedule.repaired" in caught.value.mend


def test_a_skipped_ancestor_overrides_its_descendants():
    tree = dit(1)
    schedule = Schedule(tree, grid(tree, "CCC", "CRC", "CCC", "C2C"))
    assert schedule.orders.T.tolist() == [[-1, -1, -1], [-1, 0, -1], [-1, 0, -1], [-1, 0, -1]]
    assert schedule.read.T.tolist() == [[False] * 3, [False, True, False], [False] * 3, [False] * 3]


def test_forecasts_ask_for_no_more_than_was_computed():
    tree = dit(1, ("ff",))
    schedule = Schedule(tree, grid(tree, "CCCCC", "CCCCC", "C3C31"))
    assert schedule.orders[:, 2].tolist() == [-1, 0, -1, 1, 1]
    assert schedule.gains[:, 2].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("gain", [0.0, -0.0])
def test_a_gain_of_zero_is_reuse(gain):
    tree = dit(1, ("ff",))
    orders = grid(tree, "CCC", "CCC", "CC1")
    schedule = Schedule(tree, orders, np.full(orders.shape, gain))
    assert schedule.orders[:, 2].tolist() == [-1, -1, 0]
    assert schedule == Schedule(tree, grid(tree, "CCC", "CCC", "CCR"))


@pytest.mark.parametrize("readers_first", [False, True])
def test_what_nobody_reads_is_not_computed(readers_first):
    tree = single(readers_first)
    orders = np.full((4, len(tree)), -1, dtype=np.int8)
    orders[[1, 3], tree.index["transformer/single.0.proj_out"]] = 0
    orders[2, tree.index["transformer/single.0.proj_mlp"]] = 0
    counts = Schedule(tree, orders).counts()
    assert [counts[f"transformer/single.0.{leaf}"] for leaf in ("attn", "proj_mlp", "proj_out")] == [2, 1, 2]


@MODEST
@given(wishes())
def test_a_large_grid_is_made_panel_by_panel_and_is_the_same(wish):
    def made(repair):
        try:
            return canonical.canonicalise(*wish, repair=repair)
        except ScheduleError as error:
            return [np.array(str(error))]

    whole = [made(repair) for repair in (True, False)]
    with mock.patch.object(canonical, "PANEL", 3):
        pieces = [made(repair) for repair in (True, False)]
    assert all(
        (a == b).all() for one, other in zip(whole, pieces, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_the_first_cell_that_is_reused_too_early_is_named():
    tree = dit(2)
    orders = grid(tree, "CCCC", "CCCC", "CCCC", "RCCC", "CCCC", "RCCC", "CCCC")
    with pytest.raises(ScheduleError, match=r"blocks\.0\.ff is reused at step 0"):
        Schedule(tree, orders)
    with pytest.raises(ScheduleError, match=r"blocks\.1 is reused at step 0"):
        Schedule(tree, grid(tree, "CCCC", "CCCC", "CRCC", "RCCC", "RCCC", "RCCC", "CCCC"))
