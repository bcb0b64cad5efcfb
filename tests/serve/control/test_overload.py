"""More load than there is capacity for, in virtual time: USAGE.md's figures of the controller, with a stub worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from evocache.serve.control.front_control import ControlSettings, Transition
from evocache.serve.control.points import PointWishes, ServerPoints
from evocache.serve.control.shares import Owner
from evocache.serve.workers.card import ModelCard
from evocache.serve.workers.updates import Failed

from .load import CAPACITY, Log, ask, send
from .stub import CARD, POINTS, SOLO, StubWorker, dispatcher_with, task
from .virtual import run

LIMIT = ControlSettings().limit
SECONDS = 60.0

STATIC = replace(CARD, points=(replace(POINTS[0], label="fora:2", speedup=1.65),))
"""A model with one point, which sheds but does not give way."""


@dataclass
class Seen:
    """What came of a load.

    Attributes:
        log: of the requests.
        changes: of the controller.
        back: seconds from the end of the load until a request got the best again.
    """

    log: Log
    changes: list[Transition]
    back: float


def overload(
    times: float,
    card: ModelCard = CARD,
    points: ServerPoints | None = None,
    owners: Sequence[tuple[Owner, float]] = ((Owner(), 1.0),),
    open: int = 8,
) -> Seen:
    """Load of so many times the capacity uncached, shared among owners; then a request now and then."""

    async def main() -> Seen:
        changes: list[Transition] = []
        worker = StubWorker([card], rows=open)
        dispatcher = await dispatcher_with(worker, open=open, points=points, tell=changes.append)
        log = await send(dispatcher, [(owner, part * times * CAPACITY) for owner, part in owners], SECONDS)
        loop, back = asyncio.get_running_loop(), None
        while back is None:
            sent = await ask(dispatcher, Log(), Owner())
            back = loop.time() - SECONDS if sent.level == 0 else None
            await asyncio.sleep(0.5)
        assert dispatcher.figures()["open"] == 0
        return Seen(log, changes, back)

    return run(main())


@pytest.mark.parametrize("open", [8, 16])
def test_twice_the_capacity_is_all_served_within_five_generations(open):
    seen = overload(2, open=open)
    assert seen.log.share == 1
    assert seen.log.percentile() <= 5 * SOLO
    quality = [sent.quality for sent in seen.log.served]
    assert sum(quality) / len(quality) > 36  # of 47 at the best and 30.2 at the floor
    assert seen.back <= 10


@pytest.mark.parametrize(("floor", "served"), [(30.0, 0.26), (None, 0.38)])
def test_ten_times_the_capacity_gives_way_before_it_sheds(floor, served):
    seen = overload(10, points=ServerPoints(floor=floor))
    static = overload(10, STATIC, ServerPoints(best=1.65, floor=None))
    assert seen.log.percentile() <= (LIMIT + 1.5) * SOLO
    assert seen.log.share >= served
    assert seen.log.share >= 1.6 * static.log.share
    assert seen.back <= 10
    waits = [sent.refused for sent in seen.log.sent if sent.refused is not None]
    assert all(1 <= refused.retry_after <= 60 and refused.status == 429 for refused in waits)
    sheds = [change for change in seen.changes if change.after[0] == "shedding"]
    assert sheds
    assert all(change.before == ("floor", change.after[1]) for change in sheds)


@pytest.mark.parametrize("others", [1, 5])
def test_one_key_with_nearly_all_of_the_load_costs_others_nothing(others):
    keys = "bcdef"[:others]
    seen = overload(6, owners=[(Owner(key="a"), 0.9), *((Owner(key=key), 0.1 / others) for key in keys)])
    assert seen.log.of(*keys).share >= 0.97
    assert seen.log.of("a").share < 0.6
    assert seen.log.of(*keys).percentile() <= 3 * SOLO


def test_one_user_with_nearly_all_of_a_keys_load_costs_its_other_users_nothing():
    seen = overload(6, owners=[(Owner(user="a"), 0.9), (Owner(user="b"), 0.1)])
    others = Log([sent for sent in seen.log.sent if sent.owner.user == "b"])
    assert others.share >= 0.97


def test_films_that_were_promised_neither_shut_pictures_out_nor_are_shut_out():
    async def main() -> None:
        film = replace(CARD, name="film", kind="video", seconds=10 * SOLO)
        dispatcher = await dispatcher_with(StubWorker([CARD, film]), tell=lambda change: None)
        promised, owner = PointWishes(durable=True), Owner(key="f")
        films = []
        for _ in range(20):
            wanted = task("film")
            films.append(dispatcher.submit(wanted, promised, owner, dispatcher.enter(wanted, promised, owner)))
        log = await send(dispatcher, [(Owner(), 0.5 * CAPACITY)], SECONDS)
        assert log.share == 1
        assert log.percentile() <= 5 * SOLO
        assert sum(film.over for film in films) >= 6
        assert not any([isinstance(await film, Failed) for film in films])

    run(main())


def test_less_than_the_capacity_is_served_at_the_best():
    seen = overload(0.5)
    assert seen.log.share == 1
    assert {sent.level for sent in seen.log.served} == {0}
    assert seen.changes == []
