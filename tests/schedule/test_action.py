"""Actions."""

from __future__ import annotations

import math

import pytest

from evocache.errors import ScheduleError
from evocache.schedule import COMPUTE, MAX_ORDER, REUSE, Action, forecast


def test_names():
    assert [a.name for a in (COMPUTE, REUSE, forecast(), forecast(3, -0.5))] == [
        "compute",
        "reuse",
        "forecast",
        "forecast",
    ]


def test_forecast_keeps_order_and_gain():
    assert forecast() == Action(1, 1.0)
    assert forecast(2, -1) == Action(2, -1.0)
    assert isinstance(forecast(2, -1).gain, float)


@pytest.mark.parametrize("action", [forecast(0), forecast(0, 3.0), forecast(2, 0), forecast(1, -0.0)])
def test_a_forecast_that_adds_nothing_is_reuse(action):
    assert action == REUSE
    assert math.copysign(1, action.gain) == 1


@pytest.mark.parametrize("order", [-1, MAX_ORDER + 1, True, 1.0, "1"])
def test_orders_are_whole_numbers_within_bounds(order):
    with pytest.raises(ScheduleError, match=r"expected a whole number in 0\.\.3"):
        forecast(order)


@pytest.mark.parametrize("gain", [math.nan, math.inf, -math.inf])
def test_gains_are_finite(gain):
    with pytest.raises(ScheduleError, match="finite"):
        forecast(1, gain)
