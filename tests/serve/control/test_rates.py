"""Quotas of keys, in windows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.errors import Error
from evocache.serve.control.rates import DAY, KEYS, SLOTS, Quota, Rates, Window


def test_a_window_says_when_an_amount_fits():
    window = Window(48.0)  # parts of a second
    window.add(0.5, 3)
    window.add(10.5, 2)
    assert window.amount(10.6) == 5
    assert window.wait(10.6, 1, 6) == 0
    assert window.wait(10.6, 2, 6) == pytest.approx(49 - 10.6)
    assert window.wait(10.6, 5, 6) == pytest.approx(59 - 10.6)
    assert window.wait(10.6, 7, 6) is None
    assert window.amount(49.0) == 2
    assert window.amount(59.0) == 0


def test_what_is_taken_back_is_taken_from_what_came_first():
    window = Window(48.0)
    window.add(0.5, 3)
    window.add(10.5, 2)
    window.take_back(4)
    assert window.amount(11.0) == 1
    assert window.amount(50.0) == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 5)), max_size=40))
def test_no_stretch_has_more_than_there_may_be_and_who_comes_back_in_time_fits(asked):
    window, now, had = Window(60.0), 0.0, []
    for pause, amount in asked:
        now += pause
        wait = window.wait(now, amount, 10.0)
        assert wait is not None
        if wait:
            assert wait <= 60 + 60 / SLOTS
            now += wait
            assert window.wait(now + 1e-6, amount, 10.0) == 0
            now += 1e-6
        window.add(now, amount)
        had.append((now, amount))
        assert sum(one for at, one in had if at > now - 60.0) <= 10.0 + 1e-6


def test_the_part_of_a_quota_that_holds_longest_is_named():
    rates, quota = Rates(), Quota(per_minute=2, per_day=3, seconds_per_day=10)
    rates.charge(0.0, "a", 2, 1.0)
    text, wait = rates.wait(1.0, "a", quota, 1, 1.0)
    assert text == "2 pictures a minute"
    assert 59 <= wait <= 62
    rates.charge(100.0, "a", 1, 1.0)
    text, wait = rates.wait(101.0, "a", quota, 1, 1.0)
    assert text == "3 pictures a day"
    assert DAY - 101 <= wait <= DAY + DAY / SLOTS
    assert rates.wait(101.0, "b", quota, 1, 1.0)[1] == 0
    assert rates.wait(101.0, "b", quota, 4, 1.0) == ("2 pictures a minute", None)
    assert rates.wait(101.0, "b", Quota(), 1000, 1e9) == ("", 0.0)


def test_seconds_are_put_right_when_they_are_known():
    rates, quota = Rates(), Quota(seconds_per_day=10)
    rates.charge(0.0, "a", 1, 8.0)
    assert rates.wait(1.0, "a", quota, 1, 4.0)[1] > 0
    rates.correct(2.0, "a", -4.0)
    assert rates.wait(3.0, "a", quota, 1, 4.0)[1] == 0
    rates.correct(4.0, "a", 5.0)
    assert rates.wait(5.0, "a", quota, 1, 4.0)[1] > 0


def test_keys_are_bounded():
    rates = Rates()
    for key in range(KEYS + 10):
        rates.charge(0.0, key, 1, 1.0)
    assert len(rates._accounts) == KEYS


@pytest.mark.parametrize("odd", [{"per_minute": 0}, {"per_day": -1}, {"queued": 0}, {"seconds_per_day": float("nan")}])
def test_odd_quotas_are_refused(odd):
    with pytest.raises(Error, match="a number above 0"):
        Quota(**odd)
