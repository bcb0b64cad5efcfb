"""Belady's rule is the best where sizes are equal, and the upper bound holds whatever the sizes."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.errors import UsageError
from evocache.usage.policies.belady import Belady, Bound, best_offline, next_uses, upper_bound
from evocache.usage.policies.policy import Item
from evocache.usage.policies.registry import NAMES, policy
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace


def most(trace, room, gain):
    """The most that can be gained: after each request, whatever may stay of what is there is tried."""
    best = {frozenset(): 0.0}
    size = dict(zip(trace.key.tolist(), trace.size.tolist(), strict=True))
    for key, gained in zip(trace.key.tolist(), gain, strict=True):
        after = {}
        for held, so_far in best.items():
            value = so_far + gained * (key in held)
            for many in range(len(held | {key}) + 1):
                for kept in map(frozenset, combinations(held | {key}, many)):
                    if sum(map(size.get, kept)) <= room:
                        after[kept] = max(value, after.get(kept, 0))
        best = after
    return max(best.values())


small = st.lists(st.integers(0, 4), min_size=1, max_size=11)


@given(small, st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_belady_has_the_most_hits_where_sizes_are_equal(keys, room):
    trace = Trace.of(keys, size=5)
    outcome = best_offline(trace, 5 * room)
    assert outcome.hits == most(trace, 5 * room, np.ones(len(keys)))
    assert upper_bound(trace, 5 * room).hits >= outcome.hits


@given(
    small,
    st.lists(st.integers(1, 4), min_size=5, max_size=5),
    st.lists(st.integers(0, 9), min_size=5, max_size=5),
    st.integers(1, 8),
)
@settings(max_examples=80, deadline=None)
def test_the_upper_bound_holds_where_sizes_and_seconds_differ(keys, sizes, seconds, room):
    keys = np.array(keys)
    trace = Trace.of(keys, size=np.array(sizes)[keys], seconds=np.array(seconds, float)[keys])
    bound = upper_bound(trace, room)
    best = most(trace, room, np.ones(len(keys)))
    assert best_offline(trace, room).hits <= best <= bound.hits
    assert most(trace, room, trace.seconds) <= bound.seconds_saved * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("room", [5, 40, 300])
def test_no_policy_has_more_hits_where_sizes_are_equal(seed, room):
    random = np.random.default_rng(seed)
    keys = np.where(random.random(4000) < 0.7, random.zipf(1.3, 4000) % 500, np.arange(4000) % 601 + 1000)
    trace = Trace.of(keys, size=3)
    bound = best_offline(trace, 3 * room)
    others = {name: simulate(policy(name, 3 * room), trace).hits for name in NAMES}
    assert max(others.values()) < bound.hits <= upper_bound(trace, 3 * room).hits


def test_no_policy_passes_the_upper_bound_where_sizes_differ():
    keys = np.random.default_rng(0).zipf(1.2, 5000) % 700
    trace = Trace.of(keys, size=1 + keys * 37 % 90, seconds=1.0 + keys * 53 % 20)
    for room in (50, 500, 5000):
        bound = upper_bound(trace, room)
        for outcome in (*(simulate(policy(name, room), trace) for name in NAMES), best_offline(trace, room)):
            assert outcome.hits <= bound.hits
            assert outcome.seconds_saved <= bound.seconds_saved


def test_by_hand():
    # ab held; c, next in row 4, is nearer than b (5): b leaves; a hits; c hits; b comes never again: not kept; a hits
    trace = Trace.of([ord(letter) for letter in "abcacba"])
    held = Belady(2, trace)
    outcome = simulate(held, trace)
    assert outcome.hit.tolist() == [False, False, False, True, True, False, True]
    assert (outcome.evictions, outcome.refused) == (1, 1)


def test_a_newcomer_stays_out_where_something_nearer_would_have_to_leave_for_it():
    # C takes both bytes; a leaves no sooner than C comes again: neither leaves, though b is farther than C
    trace = Trace.of([1, 2, 3, 1, 3, 2], size=[1, 1, 2, 1, 2, 1])
    held = Belady(2, trace)
    assert simulate(held, trace[:3]).refused == 1
    assert 1 in held
    assert 2 in held


def test_large_ones_leave_first_by_size():
    """One of 8 bytes and eight of one byte, in turn, and room for 8: nearest first keeps the large one at times."""
    keys = [0, *range(1, 9)] * 20
    trace = Trace.of(keys, size=[8, *[1] * 8] * 20)
    plain, sized = (simulate(Belady(8, trace, by_size=by_size), trace) for by_size in (False, True))
    assert sized.hits == 8 * 19
    assert plain.hits < sized.hits == best_offline(trace, 8).hits == upper_bound(trace, 8).hits


def test_what_never_comes_again_stays_out_however_small_it_is():
    """Row 1 never comes again; by distance x size alone it would push out the 20 bytes of row 0, which do."""
    trace = Trace.of([1, 2, 9, 9, 9, 1], size=[20, 1, 30, 30, 30, 20])
    for by_size in (False, True):
        assert simulate(Belady(20, trace, by_size=by_size), trace).hits == 1


def test_the_better_one_of_both_rules_is_returned():
    better = {False: 0, True: 0}
    for seed in range(40):
        random = np.random.default_rng(seed)
        keys = random.zipf(1.2, 300) % 40
        trace = Trace.of(keys, size=random.integers(1, 30, 40)[keys])
        hits = [simulate(Belady(60, trace, by_size=by_size), trace).hits for by_size in (False, True)]
        assert best_offline(trace, 60).hits == max(hits)
        better[hits[1] > hits[0]] += 1
    assert better[True] > 0


def test_next_uses():
    assert next_uses(Trace.of([5, 6, 5, 5, 7, 6])).tolist() == [2, 5, 3, 6, 6, 6]


def test_a_trace_of_nothing():
    assert best_offline(Trace.of([]), 10).hits == 0
    assert upper_bound(Trace.of([]), 10) == Bound(0, 0.0)


def test_other_requests_than_the_traces_are_refused():
    trace = Trace.of([1, 2])
    held = Belady(10, trace)
    with pytest.raises(UsageError, match="key 2 in row 0; why: expected key 1"):
        held.add(Item(2, 1), 1)
    simulate(held, trace)
    with pytest.raises(UsageError, match="expected its end"):
        held.add(Item(3, 1), 3)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=80), st.booleans())
@settings(max_examples=60, deadline=None)
def test_never_more_than_the_room_is_held(requests, by_size):
    trace = Trace.of([key for key, _ in requests], size=[size for _, size in requests] or 1)
    held = Belady(20, trace, by_size=by_size)
    inside = set()
    for now, (key, size) in enumerate(requests, 1):
        if key in held:
            held.hit(key, now)
        else:
            inside.add(key)
            inside -= set(held.add(Item(key, size), now))
        assert {item.key for item in held.items()} == inside
        assert held.bytes == sum(item.size for item in held.items()) <= 20
    left = [item.key for item in held.items()]
    assert held.resize(0, 100) == left
