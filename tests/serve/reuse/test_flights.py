"""Equal requests in flight are made once; each waits, leaves and is told as if it were alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from evocache.serve.requests.failures import UnmadeError
from evocache.serve.workers.updates import Previewed, Progressed
from tests.serve.stub_worker import StubWorker, picture_of

from .served import ADA, BEN, Served, serve


def held(steps: int = 4) -> StubWorker:
    """A stub that waits in its first step for `gate`."""
    worker = StubWorker(steps=steps)
    worker.gate.clear()
    return worker


def test_equal_requests_are_made_once():
    async def main(served: Served) -> None:
        asking = [asyncio.create_task(served.ask(seed=7)) for _ in range(5)]
        other = asyncio.create_task(served.ask(seed=8))
        await served.until(lambda: len(served.worker.tasks) == 2)
        served.worker.gate.set()
        answers = [(await one)[0] for one in asking]
        assert [answer.account.reuse for answer in answers] == ["none", *["joined"] * 4]
        made = next(task for task in served.worker.tasks if task.seed == 7)
        assert {answer.picture for answer in answers} == {picture_of(made)}
        assert {answer.account.id for answer in answers} == {made.id}
        assert (await other)[0].account.reuse == "none"
        assert len(served.worker.tasks) == 2

    service = serve(main, held())
    assert service.reuse.figures()["counts"] == {"miss": 2, "joined": 4}
    assert service.reuse.figures()["flights"] == 0


def test_nobody_joins_another_owner():
    async def main(served: Served) -> None:
        asking = [asyncio.create_task(served.ask(who, seed=7)) for who in (ADA, BEN)]
        await served.until(lambda: len(served.worker.tasks) == 2)
        served.worker.gate.set()
        assert [(await one)[0].account.reuse for one in asking] == ["none", "none"]

    serve(main, held())


def test_owners_join_where_the_tenant_shares():
    async def main(served: Served) -> None:
        asking = [asyncio.create_task(served.ask(who, seed=7)) for who in (ADA, BEN)]
        await served.until(lambda: len(served.worker.tasks) == 1)
        served.worker.gate.set()
        assert [(await one)[0].account.reuse for one in asking] == ["none", "joined"]
        assert len(served.worker.tasks) == 1

    serve(main, held(), within_tenant=True)


@pytest.mark.parametrize("leaver", [0, 1])
def test_who_leaves_does_not_end_what_others_wait_for(leaver: int):
    async def main(served: Served) -> None:
        asking = [asyncio.create_task(served.ask(seed=7)) for _ in range(2)]
        await served.until(lambda: bool(served.worker.open_tasks))
        await asyncio.sleep(0.01)
        asking[leaver].cancel()
        await asyncio.wait({asking[leaver]})
        assert served.worker.open_tasks
        served.worker.gate.set()
        (answer,) = await asking[1 - leaver]
        assert answer.picture == picture_of(served.worker.tasks[0])
        assert len(served.worker.tasks) == 1

    assert serve(main, held()).reuse.figures()["counts"] == {"failed": 1, ("joined", "miss")[leaver]: 1}


def test_the_last_who_leaves_ends_it_and_nobody_joins_what_ends():
    async def main(served: Served) -> None:
        asking = [asyncio.create_task(served.ask(seed=7)) for _ in range(2)]
        await served.until(lambda: bool(served.worker.open_tasks))
        await asyncio.sleep(0.01)
        for one in asking:
            one.cancel()
        await asyncio.wait(asking)
        after = asyncio.create_task(served.ask(seed=7))  # before the worker has said that it ended
        await served.until(lambda: len(served.worker.tasks) == 2)
        await served.until(lambda: len(served.worker.open_tasks) == 1)
        served.worker.gate.set()
        assert (await after)[0].account.reuse == "none"

    serve(main, held())


def test_who_joins_late_is_told_where_it_is_and_all_that_follows():
    heard: dict[str, list] = {"first": [], "late": [], "plain": []}

    def watch(name):
        return lambda at, update: heard[name].append(update)

    async def main(served: Served) -> None:
        worker = served.worker
        first = asyncio.create_task(served.ask(seed=7, watch=watch("first"), previews=3))
        await served.until(lambda: Progressed(1, 8) in heard["first"])
        late = asyncio.create_task(served.ask(seed=7, watch=watch("late"), previews=2))
        plain = asyncio.create_task(served.ask(seed=7, watch=watch("plain")))
        await served.until(lambda: Progressed(1, 8) in heard["late"])
        worker.seconds = 0.02
        worker.gate.set()
        await asyncio.gather(first, late, plain)

    serve(main, held(8))
    assert Progressed(8, 8) in heard["first"]
    assert [update for update in heard["late"] if isinstance(update, Progressed)][-1] == Progressed(8, 8)
    previews = {name: sum(isinstance(update, Previewed) for update in updates) for name, updates in heard.items()}
    assert 1 <= previews["first"] <= 3
    assert 1 <= previews["late"] <= 2
    assert previews["plain"] == 0


def test_a_watcher_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture):
    def broken(at, update):
        raise ZeroDivisionError

    async def main(served: Served) -> None:
        first = asyncio.create_task(served.ask(seed=7, watch=broken))
        second = asyncio.create_task(served.ask(seed=7))
        await served.until(lambda: bool(served.worker.tasks))
        served.worker.gate.set()
        answers = await asyncio.gather(first, second)
        assert answers[0][0].picture == answers[1][0].picture

    serve(main, held())
    assert "who watches" in caplog.text


def test_a_failure_is_everybodys_and_nobodys_result():
    async def main(served: Served) -> None:
        asking = [asyncio.create_task(served.ask(prompt="fail memory", seed=7)) for _ in range(3)]
        await served.until(lambda: bool(served.worker.tasks))
        served.worker.gate.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(one, UnmadeError) and one.reason == "memory" for one in found)
        assert len(set(map(id, found))) == 3  # each is raised by itself
        assert len(served.worker.tasks) == 1
        with pytest.raises(UnmadeError):
            await served.ask(prompt="fail memory", seed=7)
        assert len(served.worker.tasks) == 2

    assert serve(main, held()).reuse.figures()["counts"] == {"failed": 4}


def test_of_several_each_joins_what_is_equal():
    async def main(served: Served) -> None:
        first = asyncio.create_task(served.ask(seed=7, count=2))
        await served.until(lambda: len(served.worker.tasks) == 2)
        second = asyncio.create_task(served.ask(seed=8, count=2))
        await served.until(lambda: len(served.worker.tasks) == 3)
        served.worker.gate.set()
        assert [one.account.reuse for one in await first] == ["none", "none"]
        assert [(one.account.reuse, one.account.seed) for one in await second] == [("joined", 8), ("none", 9)]
        assert sorted(task.seed for task in served.worker.tasks) == [7, 8, 9]

    serve(main, held())


@pytest.mark.parametrize(("wishes", "joins"), [({}, True), ({"quality": "max"}, False), ({"speedup": 2.5}, False)])
def test_who_asks_for_a_better_or_faster_point_does_not_join_another(wishes: dict, joins: bool):
    async def main(served: Served) -> None:
        first = asyncio.create_task(served.ask(seed=7))  # begins at the point "good"
        await served.until(lambda: bool(served.worker.tasks))
        second = asyncio.create_task(served.ask(seed=7, **wishes))
        await served.until(lambda: joins or len(served.worker.tasks) == 2)
        await asyncio.sleep(0.02)
        served.worker.gate.set()
        reuse = [(await one)[0].account.reuse for one in (first, second)]
        assert reuse == ["none", "joined" if joins else "none"]

    serve(main, held())


def test_a_deadline_of_who_joins_counts_for_what_waits():
    async def main(served: Served) -> None:
        served.service._dispatcher._queue._bench.seats[0].open = 1
        running = asyncio.create_task(served.ask(prompt="a cow", seed=1))
        await served.until(lambda: bool(served.worker.tasks))
        patient = asyncio.create_task(served.ask(seed=7))
        await asyncio.sleep(0.01)
        urgent = asyncio.create_task(served.ask(seed=7, deadline=40.0))
        await asyncio.sleep(0.01)
        (run,) = served.service._dispatcher._queue.waiting
        assert run.wishes.deadline == pytest.approx(40.0, abs=5)
        later = asyncio.create_task(served.ask(seed=7, deadline=400.0))
        await asyncio.sleep(0.01)
        assert run.wishes.deadline == pytest.approx(40.0, abs=5)
        served.worker.gate.set()
        answers = await asyncio.gather(running, patient, urgent, later)
        assert [one[0].account.reuse for one in answers] == ["none", "none", "joined", "joined"]

    serve(main, held())


def test_a_fault_while_a_run_is_followed_is_told_to_all_who_wait(caplog: pytest.LogCaptureFixture):
    def broken(*given):
        raise ZeroDivisionError

    async def main(served: Served) -> None:
        served.service.reuse._flights._account = broken
        asking = [asyncio.create_task(served.ask(seed=7)) for _ in range(2)]
        await served.until(lambda: bool(served.worker.tasks))
        served.worker.gate.set()
        found = await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 60)
        assert [(type(one), one.reason) for one in found] == [(UnmadeError, "pipeline")] * 2

    assert serve(main, held()).reuse.figures()["counts"] == {"failed": 2}
    assert "could not be followed" in caplog.text


def test_who_comes_as_a_flight_ends_is_recorded():
    async def main(served: Served) -> None:
        flights, seen = served.service.reuse._flights, list[bool]()
        over = flights._over

        def late(flight, task):
            seen.append(flight.fits(served.service._dispatcher.outlook(flight.question.task), hurries=False))
            over(flight, task)

        flights._over = late
        await served.ask(seed=7)
        await served.until(lambda: bool(seen))
        assert seen == [False], "nobody would note the answer any more"

    serve(main)


def test_notes_of_a_run_are_not_told_with_what_is_stored_of_it():
    class Noting(StubWorker):
        def _end(self, id, update):
            super()._end(id, replace(update, notes=("memory was short",)))

    async def main(served: Served) -> None:
        first = asyncio.create_task(served.ask(seed=7, guidance_scale=9.0))
        joined = asyncio.create_task(served.ask(seed=7, guidance_scale=9.0))
        accounts = [(await one)[0].account for one in (first, joined)]
        await served.until(lambda: not served.service.reuse.figures()["flights"])
        accounts.append((await served.ask(seed=7, guidance_scale=9.0))[0].account)
        notes = [account.as_json()["notes"] for account in accounts]
        assert [account.reuse for account in accounts] == ["none", "joined", "exact"]
        assert [len(each) for each in notes] == [2, 2, 1]
        assert notes[0][1] == notes[1][1] == "memory was short"
        assert notes[0][0] == notes[2][0]

    serve(main, Noting())
