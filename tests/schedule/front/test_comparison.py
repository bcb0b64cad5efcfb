"""What measured figures are worth: on numbers that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import FrontError
from evocache.schedule import Schedule
from evocache.schedule.front.comparison import (
    TOO_FAST,
    Spread,
    beats,
    describe_noise,
    explain_doubt,
    find_quality_in_equal_time,
    find_spread,
    is_doubtful,
)
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from tests.search.trees import stack

FEWER = [(4.0, 20.0), (2.0, 30.0), (1.25, 45.0)]


def test_fewer_steps_are_interpolated_over_time() -> None:
    assert find_quality_in_equal_time(FEWER, 2.0) == 30.0
    assert find_quality_in_equal_time(FEWER, 8 / 3) == pytest.approx(25.0)  # 3/8 of the time lies between 1/4 and 1/2
    assert find_quality_in_equal_time(FEWER, 4.1) == pytest.approx(20.0)  # as good as measured
    assert find_quality_in_equal_time(FEWER, 5.0) is None  # none is so fast
    assert find_quality_in_equal_time(FEWER, 1.01) == 45.0  # what is faster still is at least as good
    assert find_quality_in_equal_time([], 2.0) is None


def test_more_time_is_never_worth_less() -> None:
    noisy = [(2.1, 34.0), (2.0, 31.0), (4.0, 20.0)]  # more steps that the clock shows as faster
    assert find_quality_in_equal_time(noisy, 2.0) == 34.0


@given(st.lists(st.tuples(st.floats(1, 20), st.floats(0, 80)), max_size=6), st.floats(1, 20), st.floats(1, 20))
def test_the_faster_the_worse(known: list[tuple[float, float]], a: float, b: float) -> None:
    slow, fast = (find_quality_in_equal_time(known, speed) for speed in (min(a, b), max(a, b)))
    if fast is not None and max(a, b) <= max(speed for speed, _ in known):
        assert slow is not None
        assert slow >= fast - 1e-9


def test_a_speed_up_that_its_cost_does_not_allow_is_doubted() -> None:
    assert is_doubtful({"speedup": 3.13, "predicted speedup": 1.1})
    assert "3.13x measured where the predicted cost allows 1.10x" in explain_doubt(
        {"speedup": 3.13, "predicted speedup": 1.1}
    )
    assert not is_doubtful({"speedup": 3.0, "predicted speedup": 3.0 / TOO_FAST})
    assert not is_doubtful({"speedup": 0.5, "predicted speedup": 4.0})  # slower than predicted: that is what it is
    assert not is_doubtful({"speedup": 9.0})  # nothing was predicted


def test_what_beats_is_better_in_something_and_worse_in_nothing() -> None:
    own = {"speedup": 2.0, "quality": 30.0, "memory": 8.0}
    assert not beats(own, own)
    assert beats({**own, "quality": 31.0}, own)
    assert beats({**own, "speedup": 2.1}, own)
    assert not beats({**own, "speedup": 2.1, "quality": 29.0}, own)
    assert not beats({**own, "speedup": 2.1, "memory": 9.0}, own, ["memory"])
    assert not beats({"speedup": 2.1, "quality": 31.0}, own, ["memory"])  # nobody knows what it holds
    assert beats({**own, "memory": 7.0}, own, ["memory"])


def test_noise_is_told_with_its_figures() -> None:
    quiet = {"speedup": 2.0, "speedup q1": 1.9, "speedup q3": 2.1}
    assert describe_noise({"a": quiet, "b": {"speedup": 1.0}}) == []
    (said,) = describe_noise({"a": quiet, "front 3": {"speedup": 3.13, "speedup q1": 2.1, "speedup q3": 3.6}})
    assert "front 3 between 2.10x and 3.60x" in said
    (said,) = describe_noise({"front 3": {**quiet, "predicted speedup": 1.1}})
    assert "front 3 is not handed out" in said
    found = find_spread(quiet)
    assert found == Spread(1.9, 2.0, 2.1)
    assert str(found) == "1.90-2.10"


SCHEDULE = Schedule.full(stack(), 6)
HALF = SCHEDULE.resampled(3)


def point(speedup: float, quality: float, **more: float) -> Point:
    """A point that skips something, so that it is more than fewer steps."""
    from evocache.policies import parse

    named = {name.replace("_", " "): value for name, value in more.items()}
    return Point(parse("fora:2").schedule(stack(), 6), {}, {"speedup": speedup, "quality": quality, **named})


def test_what_cannot_be_believed_is_never_picked() -> None:
    good, wild = point(2.0, 30.0, predicted_speedup=1.9), point(3.1, 40.0, predicted_speedup=1.1)
    front = Front((wild, good))
    assert front.pick(speedup=1.5) == good
    assert front.pick(quality=20) == good
    with pytest.raises(FrontError, match=r"cannot be believed: 3.10x measured where the predicted cost allows 1.10x"):
        front.pick(speedup=3)
    with pytest.raises(FrontError, match="the nearest has speedup 2"):
        front.pick(speedup=4)
    assert [p.sold for p in front] == [False, True]
    moved = front.retarget(stack())
    assert moved[0].predicted["speedup"] == pytest.approx(1.1)  # of the wild one, what was predicted of it


def test_what_fewer_steps_beat_is_never_picked() -> None:
    good, beaten = point(1.5, 40.0, fewer_steps_quality=35.0), point(2.5, 25.0, fewer_steps_quality=26.0)
    front = Front((beaten, good))
    assert front.pick(speedup=1.2) == good
    assert front.pick(quality=20) == good
    with pytest.raises(FrontError, match="beaten by fewer steps"):
        front.pick(speedup=2)
    own = replace(beaten, schedule=HALF)  # fewer steps themselves
    assert Front((own,)).pick(speedup=2) == own
    small = replace(beaten, objectives={"peak": 1e9})  # fewer steps may hold more
    assert Front((small,)).pick(speedup=2) == small
    with pytest.raises(FrontError, match="beaten by fewer steps"):
        Front((beaten,)).pick(speedup=9)
