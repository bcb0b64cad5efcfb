"""Drift and popularity: changes are found where they are, and forecasts beat the last window."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import RecordWarning, UsageError
from evocache.usage.patterns.drift import Adwin, Drift, TwoHalves, detector
from evocache.usage.patterns.popularity import Popularity


@pytest.fixture(params=["adwin", "two halves"])
def make(request):
    if request.param == "adwin":
        pytest.importorskip("river")
        return Adwin
    return TwoHalves


def test_a_change_of_the_mean_is_found_soon(make):
    draw, watch = random.Random(0), make()
    values = [float(draw.random() < (0.3 if now < 3000 else 0.6)) for now in range(6000)]
    found = [(now, means) for now, value in enumerate(values) if (means := watch.update(value))]
    now, (before, after) = found[0]
    assert 3000 < now < 3600
    assert before == pytest.approx(0.3, abs=0.05)
    assert 0.35 < after < 0.65


@pytest.mark.parametrize("seed", range(4))
def test_a_mean_that_stays_is_no_change(make, seed):
    draw, watch = random.Random(seed), make()
    assert sum(watch.update(float(draw.random() < 0.2)) is not None for _ in range(8000)) <= 1


def test_the_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "river", None)
    for name in [name for name in sys.modules if name.startswith("river.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.warns(RecordWarning, match=r"evocache\[usage\]"):
        found = detector()
    assert found.name == "two halves"


def test_adwin_is_the_usual_detector():
    pytest.importorskip("river")
    assert detector().name == "adwin"


def drifting(make, *, until: int = 9000) -> Drift:
    """The hit rate falls at 4000; at 6000 half of what is popular is replaced."""
    draw = random.Random(1)
    drift = Drift(window=800, top=10, hits=make(), popularity=make())
    for now in range(1, until + 1):
        group = 1 + min(int(draw.expovariate(0.2)), 30)
        drift.add(
            now,
            draw.random() < (0.6 if now <= 4000 else 0.35),
            group + (100 if now > 6000 and draw.random() < 0.5 else 0),
        )
    return drift


def test_changes_of_hits_and_of_popularity_are_told_apart(make):
    drift = drifting(make)
    assert [point.of for point in drift.points] == ["hit rate", "popularity"]
    hits, popularity = drift.points
    assert 4000 < hits.now < 4700
    assert hits.before > hits.after
    assert hits.before == pytest.approx(0.6, abs=0.07)
    assert 6000 < popularity.now < 6700
    assert popularity.before > popularity.after
    assert drift.detector == make.name


def test_requests_of_no_group_say_nothing_of_popularity(make):
    drift = Drift(hits=make(), popularity=make())
    for now in range(5000):
        drift.add(now, True)
    assert (drift.points, drift._popular, len(drift._counts)) == ([], None, 0)


def test_merged_changes_are_in_order_and_bounded():
    first, second = drifting(TwoHalves, until=5000), drifting(TwoHalves)
    expected = sorted([*first.points, *second.points], key=lambda point: point.now)
    first.merge(second)
    assert first.points == expected
    assert len(expected) == 3
    first.most = 1
    first.merge(second)
    assert len(first.points) == 1


def test_a_group_that_grows_is_forecast_to_grow():
    popularity = Popularity(window=100)
    for window in range(30):
        for place in range(window):
            popularity.add(b"up", 100 * window + place)
        for place in range(20):
            popularity.add(b"level", 100 * window + 50 + place)
    popularity.add(b"new", 3000)
    assert popularity.pace > 0, "the last window lags behind"
    assert popularity.forecast(b"up", pace=0) == 29
    assert popularity.forecast(b"level") == pytest.approx(20, abs=0.5)
    assert popularity.forecast(b"up", 6) > popularity.forecast(b"up", 3) > popularity.forecast(b"up") > 25
    assert [group for group, _ in popularity.top(2)] == [b"up", b"level"]
    assert popularity.forecast(b"unknown") == 0


def subjects(windows: int, seed: int, life: int) -> list[list[int]]:
    """Groups of each window of 500 requests: 60 of other weights, each of which rises and fades within its life."""
    draw = random.Random(seed)
    begin = [draw.randrange(-life, windows) for _ in range(60)]
    weight = [1 / (1 + draw.randrange(20)) for _ in range(60)]
    chosen = []
    for window in range(windows):
        shares = [w * max(0.02, 1 - abs(2 * (window - b) / life - 1)) for w, b in zip(weight, begin, strict=True)]
        chosen.append(draw.choices(range(1, 61), shares, k=500))
    return chosen


def replaced(windows: int, seed: int) -> list[list[int]]:
    """Groups of each window of 500 requests: Zipf over 60, of which a third are others every five windows."""
    draw, names, chosen = random.Random(seed), [*range(1, 61)], []
    for window in range(windows):
        if window % 5 == 4:
            for place in draw.sample(range(60), 20):
                names[place] += 60
        chosen.append(draw.choices(names, [1 / (rank + 1) for rank in range(60)], k=500))
    return chosen


@pytest.mark.parametrize(
    ("windows", "at_most"),
    [
        (lambda seed: subjects(60, seed, 60), 0.95),
        (lambda seed: subjects(60, seed, 20), 1.0),
        (lambda seed: replaced(60, seed), 1.03),
    ],
    ids=["slow", "fast", "sudden"],
)
@pytest.mark.parametrize("seed", range(2))
def test_forecasts_beside_the_last_window(windows, at_most, seed):
    """By absolute error over all groups and windows: less where usage changes slowly, about the same where suddenly."""
    popularity, error, plain = Popularity(window=500), 0.0, 0.0
    for window, groups in enumerate(windows(seed)):
        popularity.advance(500 * window)
        if window > 5:
            for group in {*popularity._states, *groups}:
                error += abs(popularity.forecast(group) - groups.count(group))
                plain += abs(popularity.forecast(group, pace=0) - groups.count(group))
        for place, group in enumerate(groups):
            popularity.add(group, 500 * window + place)
    assert error <= at_most * plain


counts = st.lists(st.tuples(st.integers(0, 5), st.floats(0, 2000)), max_size=60)


def states(popularity: Popularity) -> dict[int, list[float]]:
    """By group what each pace forecasts, for two windows, and what was counted in the present one."""
    found = {}
    for group in popularity._states.keys() | popularity._counts.keys():
        found[group] = [popularity.forecast(group, ahead, pace=p) for ahead in (1, 4) for p in range(3)]
        found[group].append(popularity._counts.get(group, 0.0))
    return {group: values for group, values in found.items() if max(values) > 1e-4}


@given(counts, st.integers(0, 60), st.booleans())
def test_merged_popularity_is_that_of_the_whole(stream, cut, beside):
    """Also where both were counted side by side, by the same windows."""
    stream.sort(key=lambda one: one[1])
    parts = (stream[::2], stream[1::2]) if beside else (stream[:cut], stream[cut:])
    merged, later, whole = (Popularity(window=100) for _ in range(3))
    for popularity, part in zip((merged, later, whole), (*parts, stream), strict=True):
        for group, now in part:
            popularity.add(group, now)
    merged.merge(later)
    assert merged._present == whole._present
    mine, expected = states(merged), states(whole)
    assert mine.keys() == expected.keys()
    for group in mine:
        assert mine[group] == pytest.approx(expected[group], abs=1e-4)


def test_popularity_is_bounded():
    popularity = Popularity(window=10, most=8)
    for now in range(2000):
        popularity.add(now % 5 if now % 2 else now, now)
    assert len(popularity) <= 8 + 10
    assert {group for group, _ in popularity.top(4)} <= {0, 1, 2, 3, 4} | set(range(1900, 2000))
    with pytest.raises(UsageError, match="window"):
        popularity.merge(Popularity(window=20))
    far = Popularity(window=1)
    far.add(1, 0)
    far.add(1, 1e12)
    assert far.forecast(1) == 0
