"""The door whatever comes: never above its limits, every place given back, sums those of the entries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.serve.control.admission import EXTRA, DoorSettings
from evocache.serve.control.backlog import Backlog, Entry, Group
from evocache.serve.control.rates import Quota
from evocache.serve.control.refusal import Refused
from evocache.serve.control.shares import Owner
from evocache.serve.control.ticket import Demand, Ticket

from .hall import CONTROL, GROUP, Hall

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
