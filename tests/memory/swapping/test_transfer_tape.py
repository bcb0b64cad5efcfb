"""A store that plays a tape holds what was promised, event by event, and every value comes back as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.memory import FeatureStore, Tape
from evocache.memory.swapping.lifetimes import Life
from evocache.memory.swapping.swap_selection import swaps
from evocache.memory.swapping.transfer_tape import Moves, uses
from evocache.memory.tiers.disk import DiskTier
from evocache.schedule import liveness
from tests.schedule.strategies import schedules


@pytest.fixture(scope="module")
def tier():
    tier = DiskTier()
    yield tier
    tier.close()


def played(schedule, sizes, order, tape, tier):
    """Walks through the schedule's events with a store; the bytes that it held at most, and what was moved."""
    store = FeatureStore(tier)
    events = map(tuple, uses(schedule, sizes, order).events.tolist())
    reads = liveness.find_reads(schedule)
    last = {(v.born, v.component): v.last_read for v in liveness.find_values(schedule)}
    ids = [c.id for c in schedule.components]
    for cell in events:
        step, column = cell
        moves = tape.moves.get(cell)
        if moves:
            for act, cells in zip((store.park, store.settle, store.fetch), moves, strict=True):
                for value in cells:
                    act(value)
        if cell in last:
            store.put(cell, [torch.full((sizes[ids[column]] // 4,), step + column / 100)])
        for born in reads.get(cell, ()):
            (tensor,) = store.get((born, column))
            assert tensor.eq(torch.tensor(born + column / 100)).all()
            if last[born, column] == step:
                store.free((born, column))
    assert not len(store)
    return store


@settings(deadline=None, max_examples=80)
@given(schedule=schedules(), capacity=st.integers(0, 400), ahead=st.integers(0, 3), seed=st.integers(0, 9))
def test_bytes_are_those_that_the_tape_promises(tier, schedule, capacity, ahead, seed):
    generator = np.random.default_rng(seed)
    ids = [c.id for c in schedule.components]
    sizes = {id: int(generator.integers(1, 20)) * 4 for id in ids}
    order = [ids[i] for i in generator.permutation(len(ids))]
    tape = Tape.of(schedule, sizes, order, capacity, ahead)
    store = played(schedule, sizes, order, tape, tier)
    assert store.peak_bytes == tape.peak
    assert store.moved == tape.moved
    assert tape.peak <= liveness.compute_peak_bytes(schedule, sizes, order)
    if liveness.compute_peak_bytes(schedule, sizes, order) <= capacity:
        assert not tape.moves


def told(schedule, sizes, order):
    """Events, values and their lives, said once more, cell by cell."""
    ids = [c.id for c in schedule.components]
    rank = {id: i for i, id in enumerate(order)}
    used = {}
    for (step, column), born in liveness.find_reads(schedule).items():
        for b in born:
            used.setdefault((b, column), [(b, column)]).append((step, column))
    cells = {cell for cells in used.values() for cell in cells}
    events = sorted(cells, key=lambda cell: (cell[0], rank.get(ids[cell[1]], len(rank) + cell[1])))
    number = {cell: i for i, cell in enumerate(events)}
    lives = {
        (step, column): Life(sizes.get(ids[column], 0), tuple(sorted({number[cell] for cell in used[step, column]})))
        for step, column in used
    }
    return events, lives


@settings(deadline=None, max_examples=80)
@given(schedule=schedules(), known=st.integers(0, 9), seed=st.integers(0, 9))
def test_events_and_lives_are_those_that_cells_tell(schedule, known, seed):
    generator = np.random.default_rng(seed)
    ids = [c.id for c in schedule.components]
    order = [ids[i] for i in generator.permutation(len(ids))][:known]
    sizes = {id: int(generator.integers(1, 20)) for id in ids[1:]}
    events, lives = told(schedule, sizes, order)
    used = uses(schedule, sizes, order)
    assert [tuple(cell) for cell in used.events.tolist()] == events
    assert dict(zip(map(tuple, used.values.tolist()), used.lives, strict=True)) == lives


@settings(deadline=None, max_examples=80)
@given(schedule=schedules(), capacity=st.integers(0, 60), ahead=st.integers(0, 2))
def test_moves_are_those_of_each_gap(schedule, capacity, ahead):
    ids = [c.id for c in schedule.components]
    sizes = {id: 1 + i % 3 for i, id in enumerate(ids)}
    tape = Tape.of(schedule, sizes, ids, capacity, ahead)
    events, lives = told(schedule, sizes, ids)
    written = sorted(lives, key=lambda cell: (cell[1], cell[0]))
    expected = {}
    for gap in swaps([lives[cell] for cell in written], capacity, ahead).gaps:
        now, then = lives[written[gap.value]].uses[gap.use : gap.use + 2]
        for event, kind in ((now + 1, "park"), (now + ahead + 1, "settle"), (then - ahead, "fetch")):
            moves = expected.get(events[event], Moves())
            expected[events[event]] = moves._replace(**{kind: (*getattr(moves, kind), written[gap.value])})
    assert dict(tape.moves) == expected
    assert tape.moves.get((0, 0)) == expected.get((0, 0))
