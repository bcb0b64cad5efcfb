"""Slices of a stream, and what the figures of a report mean."""

from __future__ import annotations

import pytest

from evocache.usage.patterns.report.slices import Slices


def test_slices_widen_and_lose_nothing() -> None:
    slices = Slices((1, 10, 60), most=30)
    for second in range(0, 900, 3):
        slices.add(second, hit=second % 2 == 0, key=1 + second // 30)
    found = slices.read()
    assert slices.width == 60
    assert [one.begin for one in found] == [60.0 * i for i in range(15)]
    assert {(one.requests, one.hits) for one in found} == {(20, 10)}
    assert all(one.distinct == pytest.approx(2, abs=0.1) for one in found)
    assert found[-1].known == pytest.approx(30, rel=0.05)


def test_slices_without_requests_are_among_them() -> None:
    slices = Slices((1, 10), most=30)
    for second in (5, 8):
        slices.add(second, hit=False)
    assert [one.requests for one in slices.read()] == [1, 0, 0, 1]
    assert Slices((1,)).read() == ()


def test_where_none_is_wider_the_oldest_go() -> None:
    slices = Slices((1,), most=4)
    for second in range(10):
        slices.add(second, hit=True)
    assert [one.begin for one in slices.read()] == [6.0, 7.0, 8.0, 9.0]
