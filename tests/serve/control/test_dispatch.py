"""The dispatcher with workers that compute nothing: ends, cancels, deaths, order, drain."""

from __future__ import annotations

import asyncio

from evocache.serve.control.points import PointWishes
from evocache.serve.control.shares import Owner
from evocache.serve.workers.updates import Cancelled, Failed, Made, Previewed, Progressed

from .stub import CARD, StubWorker, dispatcher_with, task
from .virtual import run


def test_a_run_tells_its_progress_and_its_end():
    async def main() -> None:
        dispatcher = await dispatcher_with(StubWorker())
        with dispatcher.enter(task()) as ticket:
            updates = [update async for update in dispatcher.submit(task(), ticket=ticket)]
        assert [update.step for update in updates if isinstance(update, Progressed)] == list(range(1, 11))
        assert isinstance(updates[-1], Made)
        assert dispatcher.figures()["open"] == 0

    run(main())


def test_what_comes_at_once_gets_its_points_by_all_of_it():
    async def main() -> None:
        dispatcher = await dispatcher_with(StubWorker())
        runs = [dispatcher.submit(task()) for _ in range(12)]
        await asyncio.sleep(0)
        assert [one.level for one in runs] == [2] * 8 + [None] * 4

    run(main())


def test_cancelled_while_it_waits_and_while_it_runs():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker, open=1)
        first, second, third = (dispatcher.submit(task()) for _ in range(3))
        await asyncio.sleep(0.1)
        second.cancel()
        assert isinstance(second.result, Cancelled)
        assert [one.id for one in worker.given] == [first.id]
        first.cancel()
        assert isinstance(await first, Cancelled)
        assert asyncio.get_running_loop().time() < 0.2  # a step takes .08 s
        assert isinstance(await third, Made)
        assert dispatcher.figures()["ends"] == {"cancelled": 2, "made": 1}

    run(main())


def test_who_leaves_the_block_cancels_and_others_go_on():
    async def main() -> None:
        dispatcher = await dispatcher_with(StubWorker())
        other = dispatcher.submit(task())
        async with dispatcher.submit(task()) as left:
            await asyncio.sleep(0.1)
        assert isinstance(await left, Cancelled)
        assert isinstance(await other, Made)

    run(main())


def test_who_is_cancelled_while_waiting_for_the_end_leaves_the_run_alone():
    async def main() -> None:
        dispatcher = await dispatcher_with(StubWorker())
        one = dispatcher.submit(task())
        waits = asyncio.ensure_future(one.end())
        await asyncio.sleep(0.1)
        waits.cancel()
        assert isinstance(await one, Made)

    run(main())


def test_a_preview_is_an_update_and_only_of_what_runs():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker, open=1)
        first, second = dispatcher.submit(task()), dispatcher.submit(task())
        await asyncio.sleep(0)
        second.preview()
        first.preview()
        assert worker.previews == [first.id]
        assert any([isinstance(update, Previewed) async for update in first])

    run(main())


def test_the_death_of_a_worker_fails_what_was_not_promised_and_brings_back_the_rest_once():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker)
        plain = dispatcher.submit(task())
        promised = dispatcher.submit(task(), PointWishes(durable=True))
        await asyncio.sleep(0.1)
        crowd = [dispatcher.submit(task()) for _ in range(30)]  # from now on others get less
        worker.die()
        assert await plain == Failed("worker", "killed")
        assert isinstance(await promised, Made)
        await asyncio.gather(*(one.end() for one in crowd))
        first, again = (one for one in worker.given if one.id.startswith(promised.id))
        assert (first.id, again.id) == (promised.id, f"{promised.id}~1")
        assert (first.seed, first.point, first.arguments) == (again.seed, again.point, again.arguments)
        assert {one.level for one in crowd} == {2}

    run(main())


def test_what_kills_two_workers_fails_and_those_beside_it_live():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker)
        worker.deadly = lambda task: task.arguments["prompt"] == "poison"
        beside = [dispatcher.submit(task(), PointWishes(durable=True)) for _ in range(3)]
        poison = dispatcher.submit(task(prompt="poison"), PointWishes(durable=True))
        assert await poison == Failed("worker", "killed")
        assert [type(await one) for one in beside] == [Made] * 3
        assert poison.deaths == 2
        assert dispatcher.figures()["open"] == 0

    run(main())


def test_a_worker_that_is_taken_away_gives_back_what_it_had():
    async def main() -> None:
        gone, other = StubWorker(), StubWorker()
        dispatcher = await dispatcher_with(gone)
        plain, promised = dispatcher.submit(task()), dispatcher.submit(task(), PointWishes(durable=True))
        await asyncio.sleep(0)
        dispatcher.remove(gone)
        assert isinstance(plain.result, Failed)
        assert not dispatcher.ready
        await dispatcher.add(other, 8)
        assert isinstance(await promised, Made)

    run(main())


def test_a_worker_that_has_just_died_is_given_nothing_and_nothing_is_blamed_for_it():
    async def main() -> None:
        dying, other = StubWorker(), StubWorker()
        dispatcher = await dispatcher_with(dying, other, open=2)
        runs = [dispatcher.submit(task(), PointWishes(durable=at % 2 == 1)) for at in range(12)]
        await asyncio.sleep(0.1)
        held = len(dying.given)
        dying.gone = True
        dying.die()  # of which the supervisor tells later
        ends = [type(await one) for one in runs]
        assert (held, len(dying.given)) == (2, 2)
        assert sum(one.deaths for one in runs) == held
        assert ends.count(Failed) == sum(not one.wishes.durable for one in runs if one.deaths)
        assert ends.count(Made) == 12 - ends.count(Failed)
        dispatcher.remove(dying)
        assert dispatcher.figures()["workers"] == 1
        assert dispatcher.figures()["ends"]["lost"] == held

    run(main())


def test_what_a_dying_worker_still_tells_is_heard():
    async def main() -> None:
        dying, other = StubWorker(), StubWorker()
        dispatcher = await dispatcher_with(dying, open=2)
        first, second = dispatcher.submit(task()), dispatcher.submit(task())
        await asyncio.sleep(0.1)
        first.cancel()
        dying.gone = True
        third = dispatcher.submit(task())
        assert isinstance(await first, Cancelled)
        await asyncio.sleep(0)
        assert not dispatcher.ready
        assert isinstance(await second, Made)
        await dispatcher.add(other, 2)
        assert isinstance(await third, Made)
        assert third.deaths == 0

    run(main())


def test_draining_lets_nobody_in_waits_and_cancels_the_rest():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker, open=1)
        runs = [dispatcher.submit(task()) for _ in range(3)]
        left = await dispatcher.drain(1.0)
        ends = [type(one.result) for one in runs]
        assert (left, ends) == (2, [Made, Cancelled, Cancelled])

    run(main())


def test_owners_have_even_shares_and_their_users_too():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker, open=1)
        many = [dispatcher.submit(task(), owner=Owner(key="a", user=user)) for user in "xxxxxy"]
        few = [dispatcher.submit(task(), owner=Owner(key="b")) for _ in range(2)]
        for one in (*many, *few):
            await one
        whose = {one.id: f"{one.owner.key}{one.owner.user}" for one in (*many, *few)}
        order = [whose[one.id] for one in worker.given]
        assert (sorted(order[:4]), order[4:]) == (["ax", "ay", "b", "b"], ["ax"] * 4)

    run(main())


def test_short_work_goes_first_and_long_work_comes_to_its_turn():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker, open=1)
        running = dispatcher.submit(task())
        long = dispatcher.submit(task(num_inference_steps=60))
        short = [dispatcher.submit(task()) for _ in range(2)]
        await asyncio.sleep(0.1)
        while not long.begun:
            await short[-1]
            short.append(dispatcher.submit(task()))
        assert short[0].begun < short[1].begun < long.begun
        assert running.begun == 0.0
        assert len(short) < 8

    run(main())


def test_what_nobody_waits_for_leaves_half_of_a_worker_to_others():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker, open=4)
        films = [dispatcher.submit(task(), PointWishes(durable=True)) for _ in range(6)]
        picture = dispatcher.submit(task())
        await asyncio.sleep(0.01)
        assert [one.begun for one in films[:3]] == [0.0, 0.0, None]
        assert picture.begun == 0.0

    run(main())


def test_a_task_is_handed_over_with_its_point_its_owner_and_a_deadline_of_those_within_their_share():
    async def main() -> None:
        worker = StubWorker()
        dispatcher = await dispatcher_with(worker)
        hurried = dispatcher.submit(task(), PointWishes(speedup=2, deadline=3.0), Owner("t", "k", "u"))
        await asyncio.sleep(0)
        assert worker.given[0].point == hurried.point.index == CARD.points[1].index
        assert worker.given[0].user == Owner("t", "k").name
        assert worker.given[0].owner == Owner("t", "k", "u").whole_name
        assert worker.given[0].deadline == 3.0
        plain = dispatcher.submit(task(guidance_scale=7.0))
        await asyncio.sleep(0)
        assert worker.given[1].point is None
        assert "guidance_scale" in plain.ladder.outside
        await plain

    run(main())
