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


def test_who_comes_begins_where_the_others_are() -> None:
    shares = Shares()
    shares.update({"a"})
    shares.spend("a", 8)
    assert shares.update({"a"}) == {"a": 8}
    used = dict(shares.update({"a", "b"}))  # what a had alone is nothing that it owes
    assert used["b"] == 8
    shares.spend("b", 4)
    assert shares.update({"a"}) == {"a": 8, "b": 12}
    shares.spend("a", 1)
    assert shares.update({"a", "b"})["b"] == 12  # going away and coming again forgives nothing
    shares.spend("a", 50)
    shares.update({"a"})
    assert set(shares.update({"a"})) == {"a"}  # those who are behind are forgotten
    assert shares.update({"a", "c"})["c"] == pytest.approx(59)


def test_many_jobs_of_one_user_take_no_more_than_one_of_another() -> None:
    """Two users, one with nine times the jobs: the seconds that they get are even."""
    shares, had, now = Shares(), {"a": 0.0, "b": 0.0}, 0.0
    turned = dict.fromkeys(range(10), 0.0)
    for _ in range(100):
        claims = [Claim(n, "b" if n == 0 else "a", 5.0, now - turned[n]) for n in turned]
        first = order(claims, shares.update({"a", "b"}))[0]
        shares.spend(first.user, 0.1)
        had[first.user] += 0.1
        now += 0.1
        turned[first.number] = now
    assert abs(had["a"] - had["b"]) <= 0.2
