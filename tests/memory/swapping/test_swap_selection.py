"""What is parked: the fewest gaps that do, by brute force; and what is promised is what a walk through events finds."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.memory.swapping.capacity_shares import Shares
from evocache.memory.swapping.gaps import Gaps
from evocache.memory.swapping.lifetimes import Life
from evocache.memory.swapping.lower_bound import moved_at_least
from evocache.memory.swapping.swap_selection import Gap, held, swaps

EVENTS = 9

ONE = st.just(1)


@st.composite
def lives(draw, sizes=ONE):
    out = []
    for _ in range(draw(st.integers(1, 5))):
        uses = draw(st.lists(st.integers(0, EVENTS), min_size=2, max_size=4, unique=True))
        out.append(Life(draw(sizes), tuple(sorted(uses))))
    return out


def walked(found, gaps, ahead):
    """Bytes held at each event, said once more: a value is there from a use to `ahead` events after it, and so on."""
    held = [0] * (EVENTS + 1)
    for number, life in enumerate(found):
        for use, (now, then) in enumerate(pairwise(life.uses)):
            away = Gap(number, use) in gaps
            for event in range(now, then):
                held[event] += life.size * (not away or event <= now + ahead or event >= then - ahead)
        held[life.uses[-1]] += life.size
    return held


@settings(deadline=None, max_examples=300)
@given(found=lives(st.integers(1, 4)), capacity=st.integers(0, 12), ahead=st.integers(0, 2))
def test_the_promised_peak_is_the_one_that_is_walked_through(found, capacity, ahead):
    result = swaps(found, capacity, ahead)
    assert result.peak == max(walked(found, set(result.gaps), ahead))
    written = {gap.value for gap in result.gaps}
    assert result.moved == sum(found[v].size for v in written) + sum(found[g.value].size for g in result.gaps)


@settings(deadline=None, max_examples=300)
@given(found=lives(), capacity=st.integers(0, 4), ahead=st.integers(0, 2))
def test_no_fewer_gaps_would_do(found, capacity, ahead):
    every = [Gap(v, u) for v, life in enumerate(found) for u in range(len(life.uses) - 1)]
    result = swaps(found, capacity, ahead)
    peaks = {
        count: min(max(walked(found, set(chosen), ahead)) for chosen in combinations(every, count))
        for count in range(len(every) + 1)
    }
    least = min(peaks.values())
    if least <= capacity:
        assert result.peak <= capacity
        assert len(result.gaps) == min(count for count, peak in peaks.items() if peak <= capacity)
    else:
        assert result.peak == least  # as near as gaps can bring it


@settings(deadline=None, max_examples=200)
@given(found=lives(st.integers(1, 5)), capacity=st.integers(0, 14), ahead=st.integers(0, 2))
def test_of_several_sizes_each_gap_is_needed(found, capacity, ahead):
    result = swaps(found, capacity, ahead)
    if result.peak > capacity:
        return
    for gap in result.gaps:
        assert max(walked(found, set(result.gaps) - {gap}, ahead)) > capacity


def test_nothing_is_parked_where_all_fits():
    found = [Life(3, (0, 5)), Life(4, (1, 9))]
    assert swaps(found, 7, 1) == ((), 7, 0)
    assert swaps([], 0, 1) == ((), 0, 0)


def plainly(found, capacity, ahead):
    """Gaps by Belady's rule, event by event, without those that are not needed, largest first."""
    every = [(v, u) for v, life in enumerate(found) for u in range(len(life.uses) - 1)]
    span = {(v, u): range(found[v].uses[u] + ahead + 1, found[v].uses[u + 1] - ahead) for v, u in every}
    chosen: list[tuple[int, int]] = []

    def left(event, gaps):
        held = sum(life.size for life in found if life.uses[0] <= event <= life.uses[-1])
        return held - sum(found[v].size for v, u in gaps if event in span[v, u])

    for event in range(EVENTS + 1):
        open_ = sorted((g for g in every if event in span[g]), key=lambda g: (-span[g].stop, span[g].start, g))
        for gap in (g for g in open_ if g not in chosen):
            if left(event, chosen) > capacity:
                chosen.append(gap)
    if len({life.size for life in found}) > 1:
        for gap in sorted(chosen, key=lambda g: -found[g[0]].size):
            rest = [g for g in chosen if g != gap]
            if all(left(e, rest) <= capacity or left(e, rest) == left(e, chosen) for e in range(EVENTS + 1)):
                chosen = rest
    return sorted(chosen)


@settings(deadline=None, max_examples=200)
@given(found=lives(st.integers(1, 4)), capacity=st.integers(0, 14), ahead=st.integers(0, 2))
def test_gaps_are_those_that_the_rule_says(found, capacity, ahead):
    assert list(swaps(found, capacity, ahead).gaps) == plainly(found, capacity, ahead)


@settings(deadline=None, max_examples=200)
@given(found=lives(st.integers(1, 4)), ahead=st.integers(0, 2))
def test_no_less_is_moved_than_the_bound_says_and_no_less_is_left(found, ahead):
    gaps = Gaps.of(found, ahead)
    capacities = range(gaps.least, gaps.whole + 1)
    for capacity, least in zip(capacities, moved_at_least(gaps, capacities), strict=True):
        assert least.read <= gaps.to(capacity).moved.read
        assert least.written <= gaps.to(capacity).moved.written
        assert gaps.to(capacity).peak <= capacity
    assert gaps.to(0).peak == gaps.to(max(gaps.least - 1, 0)).peak == gaps.least
    assert not len(gaps.to(gaps.whole).gaps)


def test_what_is_held_is_what_is_walked_through():
    found = [Life(3, (0, 5, 9)), Life(4, (1, 9))]
    gaps = swaps(found, 4, 1).gaps
    assert gaps
    assert held(found, gaps, 1).tolist() == walked(found, set(gaps), 1)


@settings(deadline=None, max_examples=200)
@given(found=lives(), ahead=st.integers(0, 2))
def test_of_one_size_more_room_parks_fewer_of_the_same_gaps(found, ahead):
    before = None
    for capacity in range(6):
        gaps = set(swaps(found, capacity, ahead).gaps)
        assert before is None or gaps <= before
        before = gaps


@settings(deadline=None, max_examples=200)
@given(branches=st.lists(lives(), min_size=1, max_size=3), ahead=st.integers(0, 2), seed=st.integers(0, 9))
def test_bounds_hold_whatever_was_tried(branches, ahead, seed):
    shares = Shares(branches, ahead)
    rooms = list(range(shares.least, shares.whole + 2))
    moved = [Shares(branches, ahead).within(room).moved.bytes for room in rooms]
    shuffled = rooms[:]
    random.Random(seed).shuffle(shuffled)
    for room in shuffled:
        assert all(least <= true for least, true in zip(shares.moved_at_least(rooms), moved, strict=True))
        shares.within(room)
