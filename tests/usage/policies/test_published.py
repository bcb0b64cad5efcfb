"""What the papers found holds: on loops, on scans, and beside another W-TinyLFU."""

import numpy as np
import pytest

from evocache.usage.policies.registry import policy
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace


def zipf(requests, keys, exponent, seed=0):
    """Keys by independent draws, the first the most frequent."""
    chance = 1 / np.arange(1, keys + 1) ** exponent
    return np.random.default_rng(seed).choice(keys, requests, p=chance / chance.sum())


def hits(name, room, trace):
    return simulate(policy(name, room), trace).hits


def test_a_loop_that_is_larger_than_the_room_gives_lru_nothing():
    loop = Trace.of(np.tile(np.arange(110), 50))
    assert [hits(name, 100, loop) for name in ("lru", "fifo", "lfu")] == [0, 0, 0]
    assert hits("wtinylfu", 100, loop) > 0.8 * len(loop)  # keeps what it has


def test_scans_do_not_wash_out_s3fifo_and_sieve():
    """Zipf, and after each 400 requests a scan of 300 keys that are asked for once."""
    keys = zipf(20_000, 2000, 0.9).reshape(-1, 400)
    scans = np.arange(10_000, 10_000 + keys.shape[0] * 300).reshape(-1, 300)
    trace = Trace.of(np.concatenate([keys, scans], axis=1).ravel())
    lru = hits("lru", 200, trace)
    assert lru > 2000
    for name in ("s3fifo", "sieve", "wtinylfu"):
        assert hits(name, 200, trace) > 1.15 * lru, name


def test_frequency_that_does_not_age_keeps_what_was_frequent_once():
    """After the first half other keys are asked for: LFU and LCBFU keep the old ones, the others follow."""
    keys = zipf(20_000, 1000, 1.0)
    trace = Trace.of(np.where(np.arange(20_000) < 10_000, keys, keys + 1000))
    late = {
        n: int(simulate(policy(n, 100), trace).hit[10_000:].sum()) for n in ("lru", "lfu", "gdsf", "lcbfu", "s3fifo")
    }
    assert late["lfu"] == late["lcbfu"] < 0.5 * late["lru"]  # of equal seconds, they are one
    assert min(late["gdsf"], late["s3fifo"]) > 0.9 * late["lru"]


def test_gdsf_saves_more_where_seconds_and_sizes_differ():
    keys = zipf(20_000, 2000, 0.8)
    trace = Trace.of(keys, size=1 + keys * 37 % 50, seconds=1.0 + keys * 53 % 20)
    saved = {name: simulate(policy(name, 3000), trace).saved_rate for name in ("lru", "gdsf", "lfu")}
    assert saved["gdsf"] > 1.1 * max(saved["lru"], saved["lfu"])


@pytest.mark.parametrize(("exponent", "room"), [(0.9, 1000), (1.1, 200), (0.8, 3000)])
def test_wtinylfu_is_as_good_as_theine(exponent, room):
    """Theine's adapts its window and hashes otherwise: hit rates are within 2 % of all requests of each other."""
    theine = pytest.importorskip("theine", reason="theine, which W-TinyLFU is held against, is missing")
    keys = zipf(60_000, 20_000, exponent, seed=1)
    cache, theirs = theine.Cache(room, nolock=True), 0
    for key in keys.tolist():
        found = cache.get(key)[1]
        theirs += found
        if not found:
            cache.set(key, key)
    cache.close()
    ours = simulate(policy("wtinylfu", room), Trace.of(keys)).hit_rate
    assert ours == pytest.approx(theirs / len(keys), abs=0.02)
    assert ours > simulate(policy("lru", room), Trace.of(keys)).hit_rate + 0.02
