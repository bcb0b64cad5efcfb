"""Deadlines: what they are, what they change, and that nobody lives by them alone."""

from __future__ import annotations

import asyncio

import pytest

from evocache.errors import Error
from evocache.serve.control.deadlines import LONGEST, is_near, level_for, may_hurry, read_deadline
from evocache.serve.control.points import PointWishes, ServerPoints
from evocache.serve.control.refusal import Refused
from evocache.serve.control.shares import Owner, Shares

from .stub import SOLO, StubWorker, dispatcher_with, task
from .virtual import run


def test_what_is_asked_for_goes_before_what_the_client_waits():
    assert read_deadline(1500, "600") == 1.5
    assert read_deadline(None, "600") == pytest.approx(570)
    assert read_deadline(None, None) is None
    assert read_deadline(None, "soon") is None
    assert read_deadline(None, "nan") is None
    assert read_deadline(1e300) == LONGEST


@pytest.mark.parametrize("odd", [0, -1, float("nan"), float("inf"), "1500", True, [1]])
def test_odd_deadlines_are_refused(odd):
    with pytest.raises(Error, match="milliseconds above 0"):
        read_deadline(odd)


def test_the_best_level_that_is_in_time():
    assert level_for(2.0, [3.0, 2.0, 1.0]) == 1
    assert level_for(0.5, [3.0, 2.0, 1.0]) is None
    assert is_near(1.9, 1.0)
    assert not is_near(2.1, 1.0)
    assert not is_near(-0.1, 1.0)
    assert not is_near(None, 1.0)
    assert may_hurry(1.6, 0.8)
    assert not may_hurry(1.7, 0.8)


def test_an_idle_server_gives_the_best_point_that_meets_the_deadline():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker, points=ServerPoints(best=1))
        got = []
        for deadline in (1.0, 0.6, 0.4, 0.3):
            wishes = PointWishes(deadline=deadline)
            with dispatcher.enter(task(), wishes) as ticket:
                made = dispatcher.submit(task(), wishes, ticket=ticket)
                await made
            assert made.ended - made.came <= deadline
            got.append("uncached" if made.point is None else made.point.label)
        assert got == ["uncached", "front6", "front5", "front3"]
        with pytest.raises(Refused, match="deadline") as caught:  # .28 s at the floor
            dispatcher.enter(task(), PointWishes(deadline=0.2))
        assert not caught.value.should_retry

    run(main())


def test_a_near_deadline_goes_first():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker, open=1)
        first = [dispatcher.submit(task(), owner=Owner(key="a")) for _ in range(4)]
        hurried = dispatcher.submit(task(), PointWishes(deadline=0.9), Owner(key="b"))
        await asyncio.gather(hurried.end(), *(one.end() for one in first))
        assert worker.given[1].id == hurried.id

    run(main())


def test_who_always_has_deadlines_does_not_live_before_everybody_else():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker, open=1)
        hurried = [dispatcher.submit(task(), PointWishes(deadline=SOLO), Owner(key="a")) for _ in range(20)]
        others = [dispatcher.submit(task(), owner=Owner(key="b")) for _ in range(20)]
        await asyncio.gather(*(one.end() for one in (*hurried, *others)))
        order = [task.user for task in worker.given[:20]]
        assert 7 <= order.count(Owner(key="a").name) <= 13
        assert worker.given[0].deadline is not None

    run(main())


def test_shares_have_two_levels_and_no_memory_of_absence():
    shares = Shares()
    a, b = Owner(key="a"), Owner(key="b")
    shares.update([a])
    for _ in range(5):
        shares.spend(a, 1.0)
    shares.update([a, b])  # b comes late: it is owed nothing
    assert shares.ahead(a) <= 1.0
    shares.spend(b, 3.0)
    assert shares.rank(a) < shares.rank(b)
    assert shares.ahead(b) > 0
    users = [Owner(key="c", user=user) for user in "uv"]
    shares.update(users)
    shares.spend(users[0], 1.0)
    assert shares.rank(users[1]) < shares.rank(users[0])


def test_accounts_do_not_meet_by_their_names():
    assert Owner("a", "b/c").name != Owner("a/b", "c").name
