"""Counts, repeats, gaps and distinct keys: known values, bounds, and merges that equal the whole."""

from __future__ import annotations

import math
import random
from collections import Counter
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import UsageError
from evocache.usage.patterns.arrivals import Arrivals, GapHistogram
from evocache.usage.patterns.distinct import HyperLogLog, WorkingSet
from evocache.usage.patterns.frequency import AgedCounts
from evocache.usage.patterns.repeats import Repeats
from evocache.usage.patterns.settings import hash64

keys = st.integers(0, 12)
streams = st.lists(keys, max_size=60)


def zipf(count: int, seed: int = 0, most: int = 500) -> list[int]:
    draw = random.Random(seed)
    return draw.choices(range(most), [1 / (rank + 1) for rank in range(most)], k=count)


def counted(stream: list[int], start: int = 0, **settings) -> AgedCounts:
    counts = AgedCounts(**settings)
    for now, key in enumerate(stream, start + 1):
        counts.add(key, now)
    return counts


def test_a_count_halves_after_a_half_life():
    counts = AgedCounts(half_life=10)
    counts.add(b"a", 1)
    counts.add(b"a", 11)
    assert counts.count(b"a", 11) == pytest.approx(1.5)
    assert counts.count(b"a", 21) == pytest.approx(0.75)
    assert counts.total(21) == pytest.approx(0.75)
    assert (counts.count(b"b", 21), counts.error(b"a", 21), counts.error(b"b", 21)) == (0, 0, 0)


def test_counts_stay_finite_for_ever():
    counts = AgedCounts(half_life=1, most=3)
    for now in range(0, 20_000, 7):
        counts.add(now % 5, now)
    assert counts.count(4, now) >= 0
    assert counts.top(1, now)[0][1] == pytest.approx(1.0, abs=0.05)
    counts.add(1, 10_000_000)
    assert counts.top(2, 10_000_000)[0] == (1, pytest.approx(1.0))


@pytest.mark.parametrize("half_life", [None, 300.0])
@pytest.mark.parametrize("most", [20, 100])
def test_counts_are_within_their_error(half_life, most):
    stream = zipf(4000)
    counts, now = counted(stream, half_life=half_life, most=most), len(stream)
    true: Counter[int] = Counter()
    for when, key in enumerate(stream, 1):
        true[key] += 1.0 if half_life is None else 0.5 ** ((now - when) / half_life)
    assert len(counts) == most
    assert counts.total(now) == pytest.approx(sum(true.values()))
    for key in range(500):
        held, error = counts.count(key, now), counts.error(key, now)
        assert error <= counts.total(now) / most + 1e-6
        if held:
            assert true[key] - 1e-6 <= held <= true[key] + error + 1e-6
        else:
            assert true[key] <= error + 1e-6
    frequent = {key for key in true if true[key] > counts.total(now) / most}
    assert len(frequent) >= 2
    assert frequent <= {key for key, _ in counts.top(most, now)}
    if most == 100:
        assert [key for key, _ in counts.top(4, now)] == [key for key, _ in true.most_common(4)]


@given(streams, streams, st.sampled_from([None, 7.0]))
def test_merged_counts_are_those_of_the_whole(first, second, half_life):
    whole = counted([*first, *second], half_life=half_life)
    merged = counted(first, half_life=half_life)
    later = counted(second, len(first), half_life=half_life)
    before = deepcopy(later.__dict__)
    merged.merge(later)
    now = len(first) + len(second)
    assert dict(merged.top(99, now)) == pytest.approx(dict(whole.top(99, now)))
    assert merged.total(now) == pytest.approx(whole.total(now))
    assert later.__dict__ == before


@pytest.mark.parametrize("half_life", [None, 300.0])
def test_merged_counts_that_forgot_are_within_their_error(half_life):
    stream = zipf(4000, seed=3)
    merged = counted(stream[:2000], half_life=half_life, most=40)
    merged.merge(counted(stream[2000:], 2000, half_life=half_life, most=40))
    now = 4000
    exact = counted(stream, half_life=half_life)
    for key in range(500):
        held, error, true = merged.count(key, now), merged.error(key, now), exact.count(key, now)
        assert error <= 3 * merged.total(now) / 40
        assert (true - 1e-6 <= held <= true + error + 1e-6) if held else true <= error + 1e-6
    with pytest.raises(UsageError, match="most"):
        merged.merge(AgedCounts(half_life, 41))


def arrived(stream: list[tuple[int, float, str]], most: int = 1000) -> Arrivals:
    arrivals = Arrivals(most)
    for key, time, kind in stream:
        arrivals.add(key, time, kind)
    return arrivals


def test_gaps_are_measured_by_class():
    arrivals = Arrivals(most=2)
    assert arrivals.add(b"a", 10.0, "slow") is None
    assert arrivals.add(b"a", 26.0, "slow") == 16.0
    assert arrivals.add(b"b", 27.0, "fast") is None
    assert arrivals.add(b"b", 27.5, "fast") == 0.5
    assert arrivals.add(b"c", 28.0) is None
    assert arrivals.add(b"a", 29.0) is None, "it was forgotten"
    assert arrivals.gaps["slow"].quantile(0.5) == 16.0
    assert arrivals.gaps["fast"].share_within(0.5) == 1.0
    assert arrivals.gaps["fast"].share_within(0.4) == 0.0


def test_quantiles_are_within_a_bin():
    draw, gaps = random.Random(0), GapHistogram()
    times = sorted(draw.expovariate(1 / 40) for _ in range(3000))
    for time in times:
        gaps.add(time)
    for share in (0.1, 0.5, 0.9, 0.99):
        assert 1 <= gaps.quantile(share) / times[math.ceil(share * 3000) - 1] <= 2**0.25 + 1e-9
    assert math.isnan(GapHistogram().quantile(0.5))
    gaps.add(0.0)
    gaps.add(1e300)
    assert len(gaps) == 3002


@given(st.lists(st.tuples(keys, st.floats(0, 1e5), st.sampled_from("ab")), max_size=60), st.integers(0, 60))
def test_merged_gaps_are_those_of_the_whole(stream, cut):
    stream.sort(key=lambda one: one[1])
    merged = arrived(stream[:cut])
    merged.merge(arrived(stream[cut:]))
    whole = arrived(stream)
    assert {k: g.counts.tolist() for k, g in merged.gaps.items()} == {
        k: g.counts.tolist() for k, g in whole.gaps.items()
    }
    assert merged._seen == whole._seen


def repeated(stream: list[tuple[int, int]], **settings) -> Repeats:
    repeats = Repeats(**settings)
    for key, owner in stream:
        repeats.add(key, owner)
    return repeats


def figures(repeats: Repeats) -> tuple[object, ...]:
    owners = {owner: (o.requests, o.own, o.last) for owner, o in repeats.owners.items()}
    return repeats.requests, repeats.anybody, repeats.own, repeats.last, owners


def test_repeats_are_told_apart():
    a, b, alice, bob = 1, 2, 10, 20
    repeats = repeated([(a, alice), (a, alice), (b, alice), (a, alice), (a, bob), (a, 0), (b, bob)])
    assert figures(repeats) == (7, 5, 2, 1, {10: (4, 2, 1), 20: (2, 0, 0)})
    assert repeats.owners[10].share == 0.5


@given(st.lists(st.tuples(keys, st.integers(0, 4)), max_size=80), st.integers(0, 80))
def test_merged_repeats_are_those_of_the_whole(stream, cut):
    merged = repeated(stream[:cut])
    merged.merge(repeated(stream[cut:]))
    assert figures(merged) == figures(repeated(stream))


@given(st.lists(st.tuples(keys, st.integers(0, 4)), max_size=80), st.integers(0, 80))
def test_repeats_that_were_forgotten_are_not_counted(stream, cut):
    merged = repeated(stream[:cut], most=5, owners=2)
    merged.merge(repeated(stream[cut:], most=5, owners=2))
    exact = repeated(stream)
    for some in (merged, repeated(stream, most=5, owners=2)):
        assert some.requests == exact.requests
        assert some.anybody <= exact.anybody
        assert some.last <= some.own <= exact.own
        assert len(some.owners) <= 2


@pytest.mark.parametrize("count", [0, 1, 10, 100, 1000, 30_000])
def test_distinct_keys_are_estimated_within_three_standard_errors(count):
    sketch = HyperLogLog(12)
    for key in range(count):
        sketch.add(key)
        sketch.add(key)
    assert abs(sketch.estimate() - count) <= 3 * 1.04 / 64 * count
    assert len(sketch._registers) == 4096


@given(streams, streams)
def test_merged_sketches_are_those_of_the_whole(first, second):
    sketches = [HyperLogLog(6) for _ in range(3)]
    for sketch, part in zip(sketches, (first, second, [*first, *second]), strict=True):
        for key in part:
            sketch.add(key)
    sketches[0].merge(sketches[1])
    assert sketches[0]._registers == sketches[2]._registers


def test_a_working_set_forgets_what_is_past():
    held = WorkingSet(window=100, panes=10)
    for now in range(1000):
        held.add(now // 2 if now < 900 else now % 3, now)
    assert held.estimate(999) == pytest.approx(3, abs=1 + 5)  # a pane more than the window: 5 keys
    assert held.estimate(999, 50) == pytest.approx(3, abs=0.1)
    assert len(held._counted) <= 11


@given(st.lists(st.tuples(keys, st.integers(0, 300)), max_size=60), st.integers(0, 60))
def test_merged_working_sets_are_those_of_the_whole(stream, cut):
    stream.sort(key=lambda one: one[1])
    parts = [WorkingSet(100.0, 4, 6) for _ in range(3)]
    for held, requests in zip(parts, (stream[:cut], stream[cut:], stream), strict=True):
        for key, now in requests:
            held.add(key, now)
    parts[0].merge(parts[1])
    registers = [{pane: one._registers for pane, one in held._counted.items()} for held in (parts[0], parts[2])]
    assert registers[0] == registers[1]


def test_hashes_are_the_same_in_every_process_and_spread():
    assert (hash64(0), hash64(b"")) == (0xE220A8397B1DCDAF, 0xE4A6A0577479B2B4)
    highest = Counter(hash64(key) >> 60 for key in range(16_000))
    assert all(850 < highest[part] < 1150 for part in range(16))


@pytest.mark.parametrize("make", [AgedCounts, Arrivals, Repeats])
def test_room_for_nothing_is_refused(make):
    with pytest.raises(UsageError, match="most 0"):
        make(most=0)
