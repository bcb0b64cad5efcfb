"""A replay asks a policy as the cache does, and counts what it gains."""

import numpy as np

from evocache.usage.policies.lru import LRU
from evocache.usage.policies.policy import Item
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace


class Told(LRU):
    """An LRU that notes what it is told."""

    def __init__(self, max_bytes):
        super().__init__(max_bytes)
        self.told = []

    def hit(self, key, now, owner=0):
        self.told.append(("hit", key, now, owner))
        super().hit(key, now, owner)

    def add(self, item, now):
        self.told.append((item, now))
        return super().add(item, now)


def test_a_policy_is_told_all_that_the_trace_says():
    trace = Trace.of([1, 2, 1], size=[3, 4, 3], seconds=[0.5, 1, 0.5], owner=[7, 0, 8], group=[9, 9, 0], time=[4, 6, 9])
    policy = Told(10)
    simulate(policy, trace)
    assert policy.told == [(Item(1, 3, 0.5, 7, 9), 4), (Item(2, 4, 1.0, 0, 9), 6), ("hit", 1, 9, 8)]


def test_figures_are_those_of_the_hits():
    trace = Trace.of([1, 2, 1, 3, 2, 9, 3], size=[2, 1, 2, 2, 1, 5, 2], seconds=[4, 1, 4, 2, 1, 8, 2])
    # room 4: 1 and 2 held; hit 1; 3 needs 2 bytes of which 1 is free, 2 leaves; 2 needs 1, 1 leaves; 9 is too large
    outcome = simulate(LRU(4), trace)
    assert outcome.hit.tolist() == [False, False, True, False, False, False, True]
    assert (outcome.requests, outcome.hits, outcome.evictions, outcome.refused) == (7, 2, 2, 1)
    assert (outcome.seconds, outcome.seconds_saved) == (22, 6)
    assert (outcome.bytes, outcome.bytes_hit, outcome.bytes_held) == (15, 4, 3)
    assert (outcome.hit_rate, outcome.saved_rate) == (2 / 7, 6 / 22)


def test_a_replay_of_nothing_gains_nothing():
    outcome = simulate(LRU(4), Trace.of([]))
    assert (outcome.requests, outcome.hit_rate, outcome.saved_rate) == (0, 0, 0)


def test_a_policy_goes_on_where_it_was():
    trace = Trace.of(np.random.default_rng(0).zipf(1.3, 2000) % 300)
    whole, halves = simulate(LRU(50), trace), LRU(50)
    parts = [simulate(halves, trace[:1000]), simulate(halves, trace[1000:])]
    assert np.concatenate([part.hit for part in parts]).tolist() == whole.hit.tolist()
    assert 0 < whole.hits < 2000
