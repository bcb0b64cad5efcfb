"""The dispatcher once its last worker has been given up: what waits ends, and nobody comes in."""

from __future__ import annotations

import asyncio

import pytest

from evocache.serve.control.points import PointWishes
from evocache.serve.control.refusal import Refused
from evocache.serve.workers.updates import Failed, Made

from .stub import StubWorker, dispatcher_with, task
from .virtual import run


def test_where_no_worker_is_left_and_none_will_come_what_waits_ends_and_nobody_comes_in():
    async def main() -> None:
        gone = StubWorker()
        dispatcher = await dispatcher_with(gone, open=1)
        held = dispatcher.submit(task())
        plain, promised = dispatcher.submit(task()), dispatcher.submit(task(), PointWishes(durable=True))
        await asyncio.sleep(0.1)
        with dispatcher.enter(task()) as ticket:
            dispatcher.remove(gone)
            assert held.result is not None
            assert (plain.result, promised.result) == (None, None), "another may come"
            dispatcher.give_up("worker 0: it dies")
            late = dispatcher.submit(task(), ticket=ticket)
            await asyncio.sleep(0)
        for one in (plain, promised, late):
            assert isinstance(one.result, Failed)
            assert (one.result.reason, one.result.goes_back) == ("worker", True)
            assert "worker 0: it dies" in one.result.text
        for refused in (dispatcher.enter, dispatcher.submit, lambda _: dispatcher.read()):
            with pytest.raises(Refused, match=r"worker 0: it dies.*try again in 60 s") as caught:
                refused(task())
            assert (caught.value.reason, caught.value.status) == ("workers", 503)
        assert dispatcher.figures()["open"] == 0
        assert await dispatcher.drain(1000.0) == 0
        assert asyncio.get_running_loop().time() < 1.0

    run(main())


def test_a_worker_that_comes_after_all_is_handed_what_comes():
    async def main() -> None:
        gone = StubWorker()
        dispatcher = await dispatcher_with(gone)
        dispatcher.remove(gone)
        dispatcher.give_up("it leaves")
        await dispatcher.add(StubWorker(), 1)
        with dispatcher.enter(task()) as ticket:
            assert isinstance(await dispatcher.submit(task(), ticket=ticket), Made)

    run(main())
