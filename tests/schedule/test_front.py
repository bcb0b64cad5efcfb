"""Fronts: what dominates what, and what `pick` gives."""

from __future__ import annotations

import numpy as np
import pytest

from evocache.errors import FrontError
from evocache.policies import parse
from evocache.schedule.front import Front, Point, front_of, in_bytes, non_dominated
from tests.search.trees import stack

TREE = stack()


def point(spec: str, speedup: float, quality: float, memory: float) -> Point:
    schedule = parse(spec).schedule(TREE, 12)
    return Point(schedule, {}, {"speedup": speedup, "quality": quality, "memory": memory})


FAST, MIDDLE, GOOD = point("fora:4", 3.0, 25, 100e6), point("fora:3", 2.2, 32, 300e6), point("fora:2", 1.6, 40, 50e6)
FRONT = Front((FAST, MIDDLE, GOOD))


def test_pick_gives_the_best_that_meets_the_wish() -> None:
    assert FRONT.pick(speedup=2) is MIDDLE
    assert FRONT.pick(speedup=1) is GOOD
    assert FRONT.pick(quality=30) is MIDDLE
    assert FRONT.pick(memory="200MB") is GOOD
    assert FRONT.pick(speedup=2, memory="200MB") is FAST
    assert FRONT.pick(speedup=1, quality=30) is GOOD


def test_what_nobody_reaches_names_the_nearest() -> None:
    with pytest.raises(FrontError, match=r"speedup 4.*nearest has speedup 3"):
        FRONT.pick(speedup=4)
    with pytest.raises(FrontError, match="memory"):
        FRONT.pick(memory=10)
    with pytest.raises(FrontError, match=r"front\.pick"):
        FRONT.pick()
    with pytest.raises(FrontError, match="evolve"):
        Front(()).pick(speedup=1)


def test_non_dominated_against_the_definition() -> None:
    values = np.random.default_rng(0).integers(0, 6, (60, 3)).astype(float)
    keep = non_dominated(values)
    for i, row in enumerate(values):
        dominated = any((other <= row).all() and (other < row).any() for other in values)
        first = not any((values[j] == row).all() for j in range(i))
        assert keep[i] == (not dominated and first)


def test_front_of_leaves_out_what_is_dominated() -> None:
    schedules = [parse(spec).schedule(TREE, 12) for spec in ("fora:2", "fora:3", "fora:4")]
    objectives = [{"error": 1.0, "latency": 2.0}, {"error": 2.0, "latency": 1.0}, {"error": 2.0, "latency": 3.0}]
    points = [Point(s, o) for s, o in zip(schedules, objectives, strict=True)]
    assert {p.schedule for p in front_of(points, ("error", "latency"))} == set(schedules[:2])


@pytest.mark.parametrize(
    ("text", "count"), [("200MB", 200_000_000), ("1.5 GiB", 3 << 29), ("12", 12), (7, 7), (".5kb", 500)]
)
def test_bytes_are_read(text: int | str, count: int) -> None:
    assert in_bytes(text) == count


@pytest.mark.parametrize("text", ["", "MB", "1.2.3MB", "2 parsecs", "-5MB", "."])
def test_what_is_no_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(FrontError):
        in_bytes(text)
