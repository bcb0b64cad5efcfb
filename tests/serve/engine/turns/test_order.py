"""Whose turn it is."""

from __future__ import annotations

import pytest

from evocache.serve.engine.turns.order import Claim, Shares, order


def numbers(*claims: Claim, **used: float) -> list[int]:
    return [claim.number for claim in order(claims, used)]


def test_short_work_first_and_what_waits_ages() -> None:
    long, short = Claim(1, "", left=10, idle=1), Claim(2, "", left=1, idle=1)
    assert numbers(long, short) == [2, 1]
    assert numbers(long._replace(idle=20), short) == [1, 2]


def test_users_with_less_go_first() -> None:
    greedy, modest = Claim(1, "a", left=1, idle=9), Claim(2, "b", left=9, idle=0)
    assert numbers(greedy, modest, a=5.0, b=1.0) == [2, 1]
    assert numbers(greedy, modest, a=1.0, b=5.0) == [1, 2]


def test_a_deadline_that_is_near_goes_before_all() -> None:
    poor = Claim(1, "a", left=1, idle=9)
    late, later = Claim(2, "b", left=2, idle=0, slack=3), Claim(3, "b", left=2, idle=0, slack=2)
    calm = Claim(4, "b", left=1, idle=0, slack=60)
    assert numbers(poor, late, later, calm, a=0.0, b=9.0) == [3, 2, 1, 4]


def test_shares_fade_and_newcomers_begin_with_the_least() -> None:
    shares = Shares(half_life=10)
    shares.fade(100, {"a", "b"})
    shares.spend("a", 8)
    shares.spend("b", 4)
    used = dict(shares.fade(110, {"a", "b", "c"}))
    assert used == {"a": pytest.approx(4), "b": pytest.approx(2), "c": pytest.approx(2)}
    gone = shares.fade(1e6, {"a"})
    assert set(gone) == {"a"}


def test_many_jobs_of_one_user_take_no_more_than_one_of_another() -> None:
    """Two users, one with nine times the jobs: the seconds that they get are even."""
    shares, had, now = Shares(), {"a": 0.0, "b": 0.0}, 0.0
    left = dict.fromkeys(range(10), 5.0)
    turned = dict.fromkeys(left, 0.0)
    for _ in range(100):
        claims = [Claim(n, "b" if n == 0 else "a", left[n], now - turned[n]) for n in left]
        used = shares.fade(now + 1, {"a", "b"})
        first = order(claims, used)[0]
        shares.spend(first.user, 0.1)
        had[first.user] += 0.1
        now += 0.1
        turned[first.number] = now
    assert abs(had["a"] - had["b"]) <= 0.2
