"""The door: never above its limits, every place given back, and waits that are true."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.errors import Error
from evocache.serve.control.admission import EXTRA, Door, DoorSettings
from evocache.serve.control.backlog import Backlog, Entry, Group
from evocache.serve.control.front_control import ControlSettings, FrontController
from evocache.serve.control.points import PointWishes
from evocache.serve.control.predict.capacity import Capacity
from evocache.serve.control.rates import Quota
from evocache.serve.control.refusal import Refused
from evocache.serve.control.shares import Owner
from evocache.serve.control.ticket import Demand, Ticket

from .stub import SOLO, StubWorker, dispatcher_with, task
from .virtual import run

GROUP = Group("emoji")
CONTROL = ControlSettings()


@dataclass
class Hall:
    """A door, and what is behind it."""

    settings: DoorSettings = field(default_factory=DoorSettings)
    quota: Quota = field(default_factory=Quota)
    workers: int = 1

    def __post_init__(self) -> None:
        self.backlog, self.capacity = Backlog(), Capacity()
        self.capacity.workers = self.capacity.room = self.workers
        self.controllers = {
            "emoji": FrontController("emoji", 2, 1.0, CONTROL, lambda change: None),
        }
        self.door = Door(self.settings, self.backlog, self.capacity, self.controllers, lambda owner: self.quota)

    def enter(self, key: str = "a", *, seconds: float = 0.5, now: float = 0.0, **demand: object) -> Ticket:
        """Enter with a demand of one generation of so many seconds at the floor, and twice as many at the best."""
        return self.door.enter(Demand(Owner(key=key), GROUP, (2 * seconds, seconds), **demand), now)  # type: ignore[arg-type]


def refused(hall: Hall, reason: str, *args: object, **demand: object) -> Refused:
    with pytest.raises(Refused) as caught:
        hall.enter(*args, **demand)  # type: ignore[arg-type]
    assert caught.value.reason == reason
    return caught.value


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


def test_quotas_of_keys():
    hall = Hall(quota=Quota(per_minute=2, queued=3))
    with hall.enter(count=2):
        over = refused(hall, "quota", now=1.0)
        assert 59 <= over.wait <= 62
        hall.enter("b", now=1.0)
        refused(hall, "quota", count=2, now=100.0)
    hall.enter(count=2, now=100.0)


def test_what_was_not_made_is_not_charged():
    hall = Hall(quota=Quota(seconds_per_day=1.0))
    hall.enter(seconds=0.4, count=2).leave()
    ticket = hall.enter(seconds=0.4, count=2)
    ticket.take()
    ticket.leave()
    refused(hall, "quota", seconds=0.7)
    hall.enter(seconds=0.6)


def test_what_is_promised_stays_charged_once_it_is_let_in():
    hall = Hall(quota=Quota(seconds_per_day=1.0))
    with hall.enter(seconds=0.4, count=2) as ticket:
        ticket.keep()
    assert not len(hall.backlog)
    refused(hall, "quota", seconds=0.3)
    hall.enter(seconds=0.2)


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


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["enter", "read", "begin", "progress", "lose", "end", "leave"]),
        st.sampled_from("abcd"),
        st.sampled_from("uv"),
        st.floats(0.01, 3.0),
        st.integers(1, 3),
        st.integers(0, 60),
        st.booleans(),
    ),
    max_size=80,
)


@settings(max_examples=60, deadline=None)
@given(MOVES, st.integers(1, 3))
def test_it_is_never_above_its_limits_and_every_place_is_given_back(moves, workers):
    hall = Hall(DoorSettings(requests=8, bytes=100), Quota(queued=5), workers)
    tickets: list[Ticket] = []
    taken: list[Entry] = []
    refusals: list[Refused] = []
    for move, key, user, seconds, count, bytes_, patient in moves:
        if move in ("enter", "read"):
            group = Group("emoji", patient) if move == "enter" else None
            alone = group is None or hall.backlog.waiting(group) == 0
            demand = Demand(Owner(key=key, user=user), group, (2 * seconds, seconds), count, bytes_)
            try:
                tickets.append(hall.door.enter(demand, 0.0))
            except Refused as refusal:
                refusals.append(refusal)
                continue
            limit = CONTROL.limit * (CONTROL.patience if patient else 1.0) * hall.capacity.rate
            extra = EXTRA * (CONTROL.patience if patient else 1.0) * hall.capacity.rate
            assert alone or hall.backlog.ahead(group, -1) <= limit + extra + 1e-6
            assert len(hall.backlog) + len(hall.door.reading) <= 8
            assert hall.door.bytes <= 100
            assert hall.backlog.size(demand.owner) <= 5
        elif move == "begin" and tickets:
            entry = tickets[count % len(tickets)].take()
            if entry is not None:
                hall.backlog.begin(entry, seconds)
                taken.append(entry)
        elif move == "leave" and tickets:
            ticket = tickets.pop(count % len(tickets))
            ticket.leave()
            ticket.leave()
        elif taken:
            entry = taken[count % len(taken)]
            if move == "progress":
                hall.backlog.progress(entry, entry.left / 2)
            elif move == "lose" and entry.running is not None:
                hall.backlog.wait_again(entry)
            elif move == "end":
                taken.remove(entry)
                hall.backlog.remove(entry)
                hall.backlog.remove(entry)
    assert all(refusal.wait is None or refusal.wait > 0 for refusal in refusals)
    assert all(1 <= refusal.retry_after <= 60 for refusal in refusals)
    for ticket in tickets:
        ticket.leave()
    for entry in taken:
        hall.backlog.remove(entry)
    assert (len(hall.backlog), hall.door.bytes, len(hall.door.reading), hall.backlog.rest) == (0, 0, 0, 0)
    assert hall.backlog.ahead(GROUP, 0) == 0
    hall.enter(count=5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.05, 2.0)), max_size=30))
def test_the_sums_are_those_of_the_entries(given_):
    hall = Hall(DoorSettings(requests=100))
    waits = []
    for key, seconds in given_:
        try:
            waits.append((key, hall.enter(key, seconds=seconds), seconds))
        except Refused:
            continue
    for at, (_, ticket, _) in enumerate(waits):
        if at % 2:
            ticket.leave()
    left = [(key, seconds) for at, (key, _, seconds) in enumerate(waits) if not at % 2]
    assert hall.backlog.waiting(GROUP) == pytest.approx(sum(seconds for _, seconds in left))
    assert hall.backlog.ahead(GROUP, 0) == pytest.approx(2 * sum(seconds for _, seconds in left))


def test_other_lines_count_at_most_as_much_as_ones_own():
    backlog = Backlog()
    film = Entry(Group("film", True), Owner(), (100.0, 60.0))
    backlog.add(film)
    assert backlog.ahead(GROUP, -1) == 0
    assert backlog.ahead(GROUP, -1, 1.0) == 2.0
    backlog.begin(film, 60.0)
    backlog.progress(film, 0.5)
    assert backlog.rest == 30.0
    assert backlog.ahead(GROUP, -1, 100.0) == 130.0


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
