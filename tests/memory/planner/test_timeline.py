"""The timeline shows what the plan promises: never more than its peaks, and no less than what must be held."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.memory.planner.footprint import BranchFootprint, CallPrint, Choice, Footprint, Stage
from evocache.memory.planner.planner import plan, smallest
from evocache.memory.planner.timeline import timeline
from evocache.memory.swapping.swap_selection import Life

STEPS = 6


@st.composite
def branches(draw):
    """A component that writes and reads once a step."""
    size = draw(st.integers(1, 9))
    lives, writes = [], sorted(draw(st.sets(st.integers(0, STEPS - 2), min_size=1, max_size=3)))
    for first, after in zip(writes, [*writes[1:], STEPS], strict=True):
        reads = tuple(range(first + 1, after))
        if reads:
            lives.append(Life(size, (first, *reads)))
    return BranchFootprint(tuple(lives), tuple(range(STEPS)))


@given(st.lists(branches(), max_size=3))
def test_features_are_those_alive(found):
    print_ = CallPrint(10, ())
    stage = Stage(("a",), (Choice({}, 3, 0),))
    footprint = Footprint({"a": 5}, 1, stage, {"a": print_}, stage, STEPS, 0.0, tuple(found))
    for made in (plan(footprint, None), smallest(footprint)):
        moments = timeline(footprint, made, STEPS)
        assert [m.step for m in moments] == [None, *range(STEPS), None]
        assert max(m.held.bytes for m in moments) == pytest.approx(made.peak)
    whole = timeline(footprint, plan(footprint, None), STEPS)[1:-1]
    for moment in whole:
        alive = sum(
            life.size for branch in found for life in branch.lives if life.uses[0] <= moment.step <= life.uses[-1]
        )
        assert moment.held.features >= alive
