"""A store that plays a tape holds what was promised, event by event, and every value comes back as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.memory import FeatureStore, Tape
from evocache.memory.disk import DiskTier
from evocache.memory.tape import uses
from evocache.schedule import liveness

from ..schedule.strategies import schedules


@pytest.fixture(scope="module")
def tier():
    tier = DiskTier()
    yield tier
    tier.close()


def played(schedule, sizes, order, tape, tier):
    """Walks through the schedule's events with a store; the bytes that it held at most, and what was moved."""
    store = FeatureStore(tier)
    events, *_ = uses(schedule, sizes, order)
    reads = liveness.reads(schedule)
    last = {(v.born, v.component): v.last_read for v in liveness.values(schedule)}
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
    assert tape.peak <= liveness.peak_bytes(schedule, sizes, order)
    if liveness.peak_bytes(schedule, sizes, order) <= capacity:
        assert not tape.moves
