"""Whatever happens to workers and in whatever order people leave: each run ends once, and nothing is left."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.serve.control.dispatch import Dispatcher
from evocache.serve.control.points import PointWishes
from evocache.serve.control.refusal import Refused
from evocache.serve.control.run import Run
from evocache.serve.control.shares import Owner
from evocache.serve.workers.updates import Cancelled, Failed, Made, Update

from .stub import StubWorker, task
from .virtual import run

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "ask", "cancel", "die", "remove", "add", "preview"]),
        st.integers(0, 9),
        st.booleans(),
        st.floats(0.0, 0.5),
    ),
    min_size=1,
    max_size=40,
)


async def _follow(run: Run, seen: list[Update]) -> None:
    async for update in run:
        seen.append(update)


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_each_run_ends_once_and_nothing_is_left(moves):
    async def main() -> None:
        dispatcher = Dispatcher(clock=asyncio.get_running_loop().time)
        workers = [StubWorker(), StubWorker(rows=1)]
        for worker, room in zip(workers, (4, 1), strict=True):
            await dispatcher.add(worker, room)
        runs: list[Run] = []
        seen: list[list[Update]] = []
        following = []
        for move, number, durable, pause in moves:
            if move == "ask":
                wishes, owner, wanted = PointWishes(durable=durable), Owner(key="abc"[number % 3]), task()
                try:
                    with dispatcher.enter(wanted, wishes, owner) as ticket:
                        runs.append(dispatcher.submit(wanted, wishes, owner, ticket))
                except Refused:
                    continue
                seen.append([])
                following.append(asyncio.ensure_future(_follow(runs[-1], seen[-1])))
            elif move == "cancel" and runs:
                runs[number % len(runs)].cancel()
            elif move == "preview" and runs:
                runs[number % len(runs)].preview()
            elif move == "die" and workers:
                workers[number % len(workers)].die()
            elif move == "remove" and len(workers) > 1:
                dispatcher.remove(workers.pop(number % len(workers)))
            elif move == "add" and len(workers) < 3:
                workers.append(StubWorker())
                await dispatcher.add(workers[-1], 2)
            await asyncio.sleep(pause)
        await asyncio.gather(*following)
        for one, updates in zip(runs, seen, strict=True):
            ends = [update for update in updates if isinstance(update, (Made, Failed, Cancelled))]
            assert ends == [one.result] == updates[-1:]
            assert one.deaths <= 2
            if isinstance(one.result, Failed):
                assert one.deaths == (2 if one.wishes.durable else 1)
            if isinstance(one.result, Cancelled):
                assert one.stopped
        figures = dispatcher.figures()
        assert figures["open"] == figures["bytes"] == 0
        assert sum(figures["ends"].values()) - figures["ends"].get("lost", 0) == len(runs)
        assert figures["models"]["emoji"]["running"] == figures["models"]["emoji"]["waiting"] == 0
        assert await dispatcher.drain(1.0) == 0

    run(main())
