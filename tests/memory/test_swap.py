"""What is parked: the fewest gaps that do, by brute force; and what is promised is what a walk through events finds."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.memory.swap import Gap, Life, swaps

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
