"""A replay under weights decides as the policy of that score does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.usage.demand.scored import SAMPLES, Scored
from evocache.usage.demand.weights import COUNT, Weights
from evocache.usage.learn.replay import Window, replay
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace

rows = st.lists(st.tuples(st.integers(1, 25), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=120)
weights = st.floats(-4, 2).filter(lambda weight: abs(weight) > 1e-3)  # of equal scores either may go
vectors = st.lists(weights, min_size=COUNT, max_size=COUNT)


def trace_of(asked, sizes):
    key, owner, group = (np.array(column) for column in zip(*asked, strict=True))
    return Trace.of(key, size=np.array(sizes)[key], seconds=(key % 5 + 1) / 5, owner=owner, group=group)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows, vectors, st.lists(st.integers(1, 40), min_size=26, max_size=26), st.integers(10, 150))
def test_it_decides_as_the_policy_does(asked, vector, sizes, room):
    """As long as all that is held is looked at, there is nothing to draw, and every decision is the same."""
    trace = trace_of(asked, sizes)
    vector = np.array(vector) + 1e-3 * np.sqrt(np.arange(2, COUNT + 2))  # of equal scores either may go
    policy = simulate(Scored(room, weights=Weights.from_vector(vector)), trace)
    assert replay(Window.of(trace), np.array([vector]), room)[0].tolist() == policy.hit.tolist()


def test_candidates_do_not_touch_each_other():
    draw = np.random.default_rng(3)
    trace = Trace.of(draw.zipf(1.3, 3000) % 500 + 1, size=10, owner=draw.integers(0, 9, 3000))
    vectors = draw.normal(0, 1, (4, COUNT))
    together = replay(Window.of(trace), vectors, 600)
    for vector, hits in zip(vectors, together, strict=True):
        assert (replay(Window.of(trace), vector, 600)[0] == hits).all()


def test_where_samples_are_drawn_the_hit_rates_agree():
    draw = np.random.default_rng(4)
    trace = Trace.of(draw.zipf(1.2, 6000) % 3000 + 1, size=10)
    assert 10 * SAMPLES < 2000
    policy = simulate(Scored(2000), trace).hit_rate
    assert replay(Window.of(trace), Weights().vector(), 2000).mean() == pytest.approx(policy, abs=0.02)


def test_nobody_and_no_group_are_nobody_and_none():
    trace = Trace.of([5, 6, 5], owner=[0, 9, 0], group=[0, 0, 8])
    window = Window.of(trace)
    assert window.owner.tolist() == [0, 1, 0]
    assert window.group.tolist() == [0, 0, 1]
    assert Window.of(Trace.of([5, 6], owner=[3, 4])).owner.tolist() == [1, 2]
