"""Whose turn it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from evocache.serve.engine.turns.order import FAVOUR, Claim, Shares, favours, order


def numbers(*claims: Claim, **used: float) -> list[int]:
    return [claim.number for claim in order(claims, used)]


def test_short_work_first_and_what_is_passed_by_comes_to_its_turn() -> None:
    long, short = Claim(1, "", left=10, turn=0.5), Claim(2, "", left=1, turn=0.1)
    assert numbers(long, short) == [2, 1]
    assert numbers(long._replace(passed=0.5 * 2 * FAVOUR), short) == [2, 1]
    assert numbers(long._replace(passed=0.5 * 2 * FAVOUR + 0.1), short) == [1, 2]


def test_users_with_less_go_first() -> None:
    greedy, modest = Claim(1, "a", left=1), Claim(2, "b", left=9)
    assert numbers(greedy, modest, a=5.0, b=1.0) == [2, 1]
    assert numbers(greedy, modest, a=1.0, b=5.0) == [1, 2]


def test_a_deadline_that_is_near_goes_before_all() -> None:
    poor = Claim(1, "a", left=1)
    late, later = Claim(2, "b", left=2, slack=3), Claim(3, "b", left=2, slack=2)
    calm = Claim(4, "b", left=1, slack=60)
    assert numbers(poor, late, later, calm, a=0.0, b=9.0) == [3, 2, 1, 4]
    assert numbers(poor, late._replace(slack=-1.0), a=0.0, b=9.0) == [1, 2]  # it is past: nothing is gained by haste


def test_seconds_of_short_work_count_less_beside_long_work() -> None:
    picture, other, film = Claim(1, "a", left=1), Claim(2, "a", left=20, had=10), Claim(3, "b", left=20, had=40)
    assert favours([picture]) == {1: 1}
    assert favours([picture, other, film]) == {1: FAVOUR, 2: 2, 3: 1}
    shares = Shares()
    shares.update({"a", "b"})
    shares.spend("a", 8, 4)
    shares.spend("b", 2)
    assert shares.update({"a", "b"}) == {"a": 2, "b": 2}


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


def test_who_was_alone_for_many_turns_owes_nothing_for_them() -> None:
    """A generation that keeps its turn is charged for each call; whose turn it is, is asked when another comes."""
    shares = Shares()
    shares.update({"video"})
    for _ in range(60):
        shares.spend("video", 1)
    assert shares.update({"video", "pictures"}) == {"video": 60, "pictures": 59}  # for its latest


class Made:
    """A job of a simulated engine: turns of so many seconds each."""

    def __init__(self, number: int, user: str, turns: int, turn: float, arrived: float) -> None:
        self.number, self.user, self.turn, self.arrived = number, user, turn, arrived
        self.left = turns
        self.had = self.passed = 0.0

    def claim(self) -> Claim:
        return Claim(self.number, self.user, self.left * self.turn, self.turn, self.had, self.passed)


Arrivals = Callable[[float, list[Made]], Iterator[Made]]


def simulate(arrivals: Arrivals, seconds: float) -> tuple[list[tuple[Made, float]], dict[str, float]]:
    """Jobs that ended and how long they took, and the seconds that each user had."""
    now, jobs, shares = 0.0, [], Shares()
    ended: list[tuple[Made, float]] = []
    had: dict[str, float] = {}
    while now < seconds:
        jobs += arrivals(now, jobs)
        claims = [job.claim() for job in jobs]
        favour = favours(claims)
        first = order(claims, shares.update({job.user for job in jobs}))[0]
        job = next(job for job in jobs if job.number == first.number)
        now += job.turn
        shares.spend(job.user, job.turn, favour[job.number])
        had[job.user] = had.get(job.user, 0.0) + job.turn
        job.had += job.turn
        job.left -= 1
        for other in jobs:
            other.passed = 0.0 if other is job else other.passed + job.turn * (other.user == job.user)
        if not job.left:
            jobs.remove(job)
            ended.append((job, now - job.arrived))
    return ended, had


@pytest.mark.parametrize("user", ["video's", "another"])
@pytest.mark.parametrize("step", [0.3, 0.5, 2.0])
def test_a_video_holds_up_a_picture_for_one_of_its_steps(user: str, step: float) -> None:
    """Pictures of 20 steps one after the other: each comes while a step of the video is under way, and waits for it."""
    made = iter(range(1, 10**6))
    draw = random.Random(0)
    next_at: list[float] = []

    def arrivals(now: float, jobs: list[Made]) -> Iterator[Made]:
        if now == 0.0:
            yield Made(0, "video's", 10**6, step, 0.0)
        if next_at and next_at[0] <= now:
            yield Made(next(made), user, 20, 0.04, next_at.pop())
        elif not next_at and not any(job.number for job in jobs):
            next_at.append(now + step * draw.uniform(0.01, 1))

    ended, had = simulate(arrivals, 600)
    times = [seconds for job, seconds in ended if job.number]
    assert np.quantile(times, 0.99) <= 0.8 + step + 1e-6
    assert len(times) > 100
    if user == "another":
        assert min(had.values()) >= 600 / 2 / FAVOUR


@pytest.mark.parametrize("others", [1, 5])
def test_nobody_has_less_than_their_part_of_an_even_share(others: int) -> None:
    """A long job beside users who always have four short ones, without a gap."""
    made = iter(range(1, 10**6))

    def arrivals(now: float, jobs: list[Made]) -> Iterator[Made]:
        if now == 0.0:
            yield Made(0, "long", 10**6, 0.5, 0.0)
        for at in range(others):
            for _ in range(4 - sum(job.user == str(at) for job in jobs)):
                yield Made(next(made), str(at), 20, 0.04, now)

    _, had = simulate(arrivals, 400)
    assert had["long"] >= 400 / (others + 1) / FAVOUR - 0.5
    short = [seconds for user, seconds in had.items() if user != "long"]
    assert max(short) - min(short) <= 1.0


def test_many_jobs_of_one_user_take_no_more_than_one_of_another() -> None:
    """Two users with jobs of a length, one with nine times as many: the seconds that they get are even."""

    def arrivals(now: float, jobs: list[Made]) -> Iterator[Made]:
        if not jobs:
            yield from (Made(n, "b" if n == 0 else "a", 10**4, 0.1, now) for n in range(10))

    _, had = simulate(arrivals, 10)
    assert abs(had["a"] - had["b"]) <= 0.2


def test_each_job_of_a_user_comes_to_its_turn() -> None:
    """A long job beside short ones of the same user, without a gap: it has its part of an even share among them."""
    made = iter(range(1, 10**6))

    def arrivals(now: float, jobs: list[Made]) -> Iterator[Made]:
        if now == 0.0:
            yield Made(0, "a", 1000, 0.5, 0.0)
        for _ in range(4 - len(jobs)):
            yield Made(next(made), "a", 20, 0.04, now)

    long: list[Made] = []

    def noting(now: float, jobs: list[Made]) -> Iterator[Made]:
        for job in arrivals(now, jobs):
            long.extend([job] if not job.number else [])
            yield job

    simulate(noting, 400)
    assert long[0].had >= 400 / (4 * FAVOUR + 1) - 1.0


def test_what_is_done_between_turns_moves_nobody_s_beginning() -> None:
    """Who comes after a long turn, and a little work after it, goes before whose that was."""
    shares = Shares()
    shares.update({"video"})
    for _ in range(5):
        shares.spend("video", 0.5)
        shares.spend("video", 0.01, turn=False)
    used = shares.update({"video", "picture"})
    shares.spend("picture", 0.02, turn=False)
    used = shares.update({"video", "picture"})
    assert used["picture"] < used["video"]
