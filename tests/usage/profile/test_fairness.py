"""Parts of owners add up; a bound protects the others from one who floods a cache, and changes nothing otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.usage.workloads import BYTES, People, people
from evocache.errors import UsageError
from evocache.usage.policies.lru import LRU
from evocache.usage.policies.policy import Item
from evocache.usage.policies.simulate import simulate
from evocache.usage.profile.fairness import FairShare, parts


def test_parts_of_what_a_policy_holds():
    policy = LRU(100)
    for now, item in enumerate([Item(1, 50, 2.0, owner=7), Item(2, 30, 1.0, owner=8), Item(3, 20, 1.0, owner=7)]):
        policy.add(item, now)
    found = parts(policy.items())
    assert list(found) == [7, 8]
    assert (found[7].entries, found[7].bytes, found[7].of_bytes, found[7].of_seconds) == (2, 70, 0.7, 0.75)
    assert sum(part.of_bytes for part in found.values()) == pytest.approx(1)


def test_what_holds_nothing_and_what_took_no_time():
    assert parts([]) == {}
    assert parts([Item(1, 5, 0.0, owner=1)])[1].of_seconds == 0


def test_a_bound_raises_the_others_hit_rate_where_one_owner_floods_the_cache():
    trace = people(1, 8_000, People(users=200, heavy=1, heavy_share=0.8, again=(0.0, 0.4)))
    others, room = trace.owner != 1, 60 * BYTES
    free, fair = LRU(room), FairShare(LRU(room), 0.1)
    before, after = (simulate(policy, trace).hit for policy in (free, fair))
    assert after[others].mean() > 1.2 * before[others].mean()
    assert after.mean() > before.mean()
    assert after[~others].mean() > 0.95 * before[~others].mean()
    assert parts(free.items())[1].of_bytes > 0.7
    assert parts(fair.items())[1].of_bytes <= 0.1


def test_without_anybody_above_the_bound_it_is_the_policy_itself():
    trace = people(2, 3_000, People(heavy=100, heavy_share=0.5))
    plain, fair = (simulate(policy, trace).hit for policy in (LRU(80 * BYTES), FairShare(LRU(80 * BYTES), 1.0)))
    assert np.array_equal(plain, fair)


def test_what_leaves_is_no_longer_counted():
    fair = FairShare(LRU(100), 0.5)
    for key in range(1, 30):
        fair.add(Item(key, 10, owner=key % 3 + 1), key)
        fair.hit(key - 1, key)
        if key % 7 == 0:
            fair.remove(key)
    assert fair.bytes == sum(fair._totals.values()) == sum(item.size for item in fair.items())
    assert fair.add(Item(99, 101, owner=1), 40) == [99]
    for key in [item.key for item in fair.items()]:
        fair.evict(key)
    assert (fair._sizes, fair._totals, fair._owners, fair.bytes) == ({}, {}, {}, 0)


def test_a_share_of_nothing_is_refused():
    with pytest.raises(UsageError):
        FairShare(LRU(100), 0.0)
