"""The door: how much it lets in, whom it refuses, and waits that are true."""

from __future__ import annotations

import asyncio

import pytest

from evocache.errors import Error
from evocache.serve.control.admission import DoorSettings
from evocache.serve.control.points import PointWishes
from evocache.serve.control.refusal import Refused
from evocache.serve.control.shares import Owner
from evocache.serve.control.ticket import Demand, Ticket

from ..stub import SOLO, StubWorker, dispatcher_with, task
from ..virtual import run
from .hall import GROUP, Hall, refused


def test_the_limit_is_in_predicted_seconds_at_the_floor():
    hall = Hall()
    for _ in range(12):
        hall.enter()
    over = refused(hall, "work")
    assert over.wait == pytest.approx(0.5)
    assert (over.status, over.retry_after, over.should_retry) == (429, 1, True)
    assert hall.controllers["emoji"].state == "shedding"


def test_several_generations_are_all_let_in_or_none():
    hall = Hall()
    hall.enter(count=11)
    refused(hall, "work", count=3)
    assert len(hall.backlog) == 11
    hall.enter()


def test_what_is_longer_than_the_limit_is_let_in_where_nothing_waits():
    hall = Hall()
    with hall.enter(seconds=20.0):
        assert refused(hall, "work", "b", seconds=20.0).wait == pytest.approx(20.0)
    hall.enter("b", seconds=20.0)


def test_from_a_quarter_of_the_limit_on_nobody_has_more_than_an_even_share():
    hall = Hall()
    hall.enter("b", seconds=0.7)
    hall.enter("a", seconds=0.7)
    over = refused(hall, "share", "a", seconds=0.7)
    assert over.wait == pytest.approx(0.35)  # 1.4 of 2.1 s: half of it is .35 less
    hall.enter("b", seconds=0.1)  # .8 of 1.5 is more than half, but that is no more than a quarter
    hall.enter("c", seconds=0.7)
    refused(hall, "share", "b", seconds=0.1)


def test_users_of_a_key_have_even_shares_of_what_it_has():
    hall = Hall()
    levels = (2.0, 1.0)
    for user in "uv":
        hall.door.enter(Demand(Owner(user=user), GROUP, levels), 0.0)
    with pytest.raises(Refused, match="even share"):
        hall.door.enter(Demand(Owner(user="u"), GROUP, levels), 0.0)
    hall.door.enter(Demand(Owner(user="w"), GROUP, levels), 0.0)


def test_who_fills_the_line_does_not_shut_others_out():
    hall = Hall()
    for _ in range(12):
        hall.enter("a")
    refused(hall, "work", "a")
    hall.enter("b")
    hall.enter("c")
    refused(hall, "work", "d")  # EXTRA is one generation, of one second


def test_requests_and_bytes_are_bounded():
    hall = Hall(DoorSettings(requests=2, bytes=100))
    with hall.enter(bytes=60):
        assert refused(hall, "bytes", bytes=60).should_retry
        assert not refused(hall, "bytes", bytes=101).should_retry
        with hall.door.enter(Demand(Owner()), 0.0):  # one that is read
            refused(hall, "requests")
        assert not refused(hall, "requests", count=3).should_retry
        hall.enter()
    assert hall.door.bytes == 0


def test_a_deadline_that_cannot_be_met_is_refused_and_says_whether_it_could_be_later():
    hall = Hall()
    hall.enter("b", seconds=2.0)
    later = refused(hall, "deadline", seconds=0.5, alone=0.5, deadline=1.0)
    assert later.wait == pytest.approx(1.5)
    never = refused(hall, "deadline", seconds=0.5, alone=0.5, deadline=0.4)
    assert never.wait is None
    assert not never.should_retry
    hall.enter(seconds=0.5, alone=0.5, deadline=2.6)


def test_bodies_of_one_account_leave_room_for_others():
    hall = Hall(DoorSettings(requests=8, bytes=1000))

    def read(key: str, bytes: int) -> Ticket:
        return hall.door.enter(Demand(Owner(key=key), bytes=bytes), 0.0)

    held = [read("a", 100) for _ in range(4)]
    with pytest.raises(Refused, match="bodies"):
        read("a", 0)
    held[0].grow(100)
    with pytest.raises(Refused, match="bodies"):
        held[0].grow(100)
    held.append(read("b", 500))
    assert hall.door.bytes == 1000
    for ticket in held:
        ticket.leave()
    assert hall.door.bytes == len(hall.door.reading) == 0


def test_a_closed_door_and_one_without_workers_say_503():
    hall = Hall()
    hall.capacity.workers = 0
    assert refused(hall, "workers").status == 503
    hall.door.closed = True
    assert refused(hall, "draining").status == 503
    assert hall.door.refused == {"workers": 1, "draining": 1}


def test_refusals_that_are_long_say_so():
    long = Refused("quota", "a", "b", 3600.0)
    assert (long.retry_after, long.should_retry) == (60, False)
    assert "60 minutes" in str(long)
    assert Refused("work", "a", "b", 0.2).retry_after == 1
    assert Refused("work", "a", "b", 59.2).retry_after == 60


@pytest.mark.parametrize("odd", [{"requests": 0}, {"bytes": -1}, {"free": 1.5}])
def test_odd_settings_are_refused(odd):
    with pytest.raises(Error, match="leave them out"):
        DoorSettings(**odd)


def test_who_comes_back_after_the_time_it_was_told_is_let_in_if_nobody_else_came():
    async def main() -> None:
        dispatcher = await dispatcher_with(StubWorker())
        refusal = None
        while refusal is None:
            wanted = task()
            try:
                ticket = dispatcher.enter(wanted)
            except Refused as error:
                refusal = error
            else:
                dispatcher.submit(wanted, ticket=ticket)
        await asyncio.sleep(refusal.retry_after)
        dispatcher.enter(task()).leave()

    run(main())


def test_durable_requests_wait_in_a_longer_line_that_does_not_shut_others_out():
    async def main() -> None:
        dispatcher = await dispatcher_with(StubWorker(), open=8)
        promised = PointWishes(durable=True)
        for _ in range(60):
            wanted = task()
            dispatcher.submit(wanted, promised, ticket=dispatcher.enter(wanted, promised))
        picture = task()
        made = dispatcher.submit(picture, ticket=dispatcher.enter(picture))
        await made
        assert made.ended - made.came < 4 * SOLO
        assert dispatcher.figures()["models"]["emoji"]["waiting"] > 40

    run(main())


@pytest.mark.parametrize("count", [1, 5, 9, 11, 40])
def test_an_idle_server_lets_everything_in(count: int):
    hall = Hall()
    hall.capacity.room = 16
    hall.enter(count=count).leave()
