"""The state machine, against its table in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.errors import Error
from evocache.serve.control.front_control import ControlSettings, FrontController, Transition

TARGET, CALM = 3.0, 5.0


def controller(levels: int = 4) -> tuple[FrontController, list[Transition]]:
    """One with generations of a second: a target of 3 s, a limit of 6."""
    told: list[Transition] = []
    return FrontController("emoji", levels, 1.0, tell=told.append), told


def waits(work: float) -> list[float]:
    """`w(i)` of some work at speed-ups of 1, 1.5, 2 and 3."""
    return [work / speedup for speedup in (1.0, 1.5, 2.0, 3.0)]


def test_it_goes_down_at_once_to_the_first_level_that_meets_the_target():
    one, told = controller()
    assert one.decide(0.0, waits(3.0)) == 0
    assert one.decide(0.1, waits(5.9)) == 2
    assert one.decide(0.2, waits(8.9)) == 3
    assert one.decide(0.3, waits(50.0)) == 3
    assert [(change.before, change.after) for change in told] == [
        (("normal", 0), ("degraded", 2)),
        (("degraded", 2), ("floor", 3)),
    ]
    assert [change.wait for change in told] == [5.9 / 2, 8.9 / 3]


def test_it_goes_up_one_level_after_five_generations_in_which_the_level_above_would_be_easy():
    one, _ = controller()
    one.decide(0.0, waits(8.0))
    for now in (0.5, 1.5, 2.5, 3.5, 4.5):  # what comes would not fit at any level above
        one.arrive(now, [2.0, 1.4, 1.0, 0.7])
    easy = waits(3.0)  # 1.5 s at speed-up 2, half the target
    assert one.decide(1.0, easy) == 3
    assert one.decide(5.9, easy) == 3
    assert one.decide(6.0, easy) == 2
    assert one.decide(6.0, waits(2.2)) == 2
    assert one.decide(10.9, waits(2.2)) == 2
    assert one.decide(11.0, waits(2.2)) == 1


def test_the_calm_begins_anew_when_it_was_interrupted():
    one, _ = controller()
    one.decide(0.0, waits(8.0))
    one.decide(1.0, waits(3.0))
    one.decide(4.0, waits(3.1))
    one.decide(4.1, waits(3.0))
    assert one.decide(9.0, waits(3.0)) == 3
    assert one.decide(9.1, waits(3.0)) == 2


def test_a_server_whose_load_is_gone_is_back_at_its_best_at_once():
    one, told = controller()
    one.decide(0.0, waits(20.0))
    one.decide(1.0, waits(0.0))
    assert one.decide(6.0, waits(0.0)) == 0
    assert told[-1].after == ("normal", 0)


def test_what_came_in_the_calm_holds_it_back():
    one, _ = controller()
    one.decide(0.0, waits(20.0))
    one.decide(1.0, waits(0.0))
    for now in range(2, 6):
        one.arrive(float(now), waits(1.1))  # 4.4 s in five at the best, .8 of it at the level after
    assert one.decide(6.0, waits(0.0)) == 1


def test_it_sheds_at_the_floor_until_the_target_is_met():
    one, told = controller()
    one.decide(0.0, waits(20.0))
    one.shed(0.5, 6.2)
    assert one.state == "shedding"
    one.shed(0.6, 6.3)
    one.decide(0.7, waits(9.1))
    assert one.state == "shedding"
    one.decide(0.8, waits(9.0))
    assert one.state == "floor"
    assert [change.after for change in told[1:]] == [("shedding", 3), ("floor", 3)]


def test_a_model_without_a_front_is_normal_or_sheds():
    one, _ = controller(levels=1)
    assert one.decide(0.0, [10.0]) == 0
    assert one.state == "normal"
    one.shed(0.0, 10.0)
    assert one.state == "shedding"


@pytest.mark.parametrize(
    "odd", [{"limit": 3.9}, {"target": 5.5}, {"calm": 0}, {"easy": 1.5}, {"patience": 0.5}, {"limit": float("nan")}]
)
def test_odd_settings_are_refused(odd):
    with pytest.raises(Error, match="why: expected"):
        ControlSettings(**odd)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 30.0)), min_size=1, max_size=60))
def test_the_level_is_always_one_that_the_rules_allow(steps):
    one, told = controller()
    now, rose, before = 0.0, -CALM, 0
    for pause, work in steps:
        now += pause
        found = waits(work)
        level = one.decide(now, found)
        assert 0 <= level <= 3
        if found[before] > TARGET:
            fits = [at for at in range(4) if found[at] <= TARGET and at >= before]
            assert level == (fits[0] if fits else 3)
        else:
            assert level <= before
            if level < before:
                assert found[level] <= 0.5 * TARGET
                assert now - rose >= CALM
                rose = now
        before = level
    assert all(change.before != change.after for change in told)
