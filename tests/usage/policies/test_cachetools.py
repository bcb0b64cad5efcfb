"""LRU, LFU and FIFO decide as cachetools does, request by request."""

import numpy as np
import pytest

from evocache.usage.policies.registry import policy
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace

cachetools = pytest.importorskip("cachetools", reason="cachetools, which these policies are held against, is missing")
THEIRS = {"lru": cachetools.LRUCache, "lfu": cachetools.LFUCache, "fifo": cachetools.FIFOCache}


def their_hits(cache, trace):
    """Whether each request is a hit; values are the sizes."""
    found = []
    for key, size in zip(trace.key.tolist(), trace.size.tolist(), strict=True):
        found.append(key in cache)
        if found[-1]:
            cache[key]
        elif size <= cache.maxsize:
            cache[key] = size
    return found


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("room", [1, 7, 60, 400])
@pytest.mark.parametrize("seed", [0, 1])
def test_hits_of_entries_of_one_size(name, room, seed):
    trace = Trace.of(np.random.default_rng(seed).zipf(1.2, 6000) % 500)
    ours = simulate(policy(name, room), trace)
    assert ours.hit.tolist() == their_hits(THEIRS[name](room), trace)
    assert 0 < ours.hits < 6000


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("room", [40, 600, 4000])
def test_hits_of_entries_of_many_sizes(name, room):
    keys = np.random.default_rng(2).zipf(1.2, 6000) % 500
    trace = Trace.of(keys, size=1 + keys * 7 % 50)  # some are larger than the least room
    ours = simulate(policy(name, room), trace)
    assert ours.hit.tolist() == their_hits(THEIRS[name](room, getsizeof=lambda size: size), trace)
    assert 0 < ours.hits < 6000
