"""What became of a task that was submitted: its updates as they come, and its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from ..workers.card import ModelCard, PointCard
from ..workers.task import Task
from ..workers.updates import Cancelled, Failed, Made, Progressed, Update
from .backlog import Entry
from .points import Ladder, PointWishes
from .shares import Owner

End = Made | Failed | Cancelled

UPDATES = 32
"""Most updates that are kept for who does not take them; the oldest are left out, but never the end."""


class Run:
    """A task that waits, runs or is over. Iterate over it for its updates, await it for its end.

    `async with` cancels it where the block is left before its end. One reader at a time, in the loop's thread.

    Attributes:
        number: in the order of arrival.
        task: as it was submitted.
        wishes: what its owner asks for.
        owner: whose it is.
        card: of its model.
        ladder: points that it may be given; `ladder.outside` says what of the call its front was not measured at.
        point: the point that it got; None while it waits, and where everything is computed.
        level: of the controller when it was handed over; None while it waits.
        predicted: seconds of computing, predicted when it was handed over; 0 while it waits.
        came: when it was submitted, by the dispatcher's clock.
        begun: when it was handed to a worker; None while it waits.
        ended: when it was over; None before.
        deaths: workers that died while they had it.
        stopped: whether it was cancelled, be it over or not.
        progress: the latest that was told.
        beside: how many others its worker had, on average of its beginning and its end.
    """

    def __init__(
        self,
        number: int,
        task: Task,
        wishes: PointWishes,
        owner: Owner,
        card: ModelCard,
        ladder: Ladder,
        entry: Entry,
        came: float,
    ) -> None:
        self.number = number
        self.task, self.wishes, self.owner, self.card, self.ladder = task, wishes, owner, card, ladder
        self.entry, self.came = entry, came
        self.point: PointCard | None = None
        self.level: int | None = None
        self.predicted = 0.0
        self.begun: float | None = None
        self.ended: float | None = None
        self.deaths = 0
        self.stopped = False
        self.beside = 0.0
        self.progress = Progressed(0, 0)
        self.stop: Callable[[], None] = lambda: None
        self.show: Callable[[], None] = lambda: None
        self._updates: deque[Update] = deque()
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._fresh = asyncio.Event()

    @property
    def id(self) -> str:
        """Id of its task."""
        return self.task.id

    @property
    def due(self) -> float | None:
        """When it should have ended, by the dispatcher's clock; None if it may take any time."""
        return None if self.wishes.deadline is None else self.came + self.wishes.deadline

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._end.done()

    @property
    def result(self) -> End | None:
        """Its end; None before."""
        return self._end.result() if self._end.done() else None

    def cancel(self) -> None:
        """End it: at once if it waits, within a step if it runs; nothing happens if it is over."""
        if not self.over:
            self.stop()

    def hasten(self, due: float) -> None:
        """Have it end by a time of the dispatcher's clock, if it had more time; what runs goes on as it does."""
        if self.begun is None and (self.due is None or due < self.due):
            self.wishes = replace(self.wishes, deadline=due - self.came)

    def preview(self) -> None:
        """Ask for a preview, which comes as an update; nothing comes of it while it waits."""
        if not self.over:
            self.show()

    async def end(self) -> End:
        """Wait for its end; who is cancelled while waiting leaves it running."""
        return await asyncio.shield(self._end)

    def __await__(self) -> Generator[object, None, End]:
        return self.end().__await__()

    async def __aiter__(self) -> AsyncIterator[Update]:
        while True:
            while self._updates:
                update = self._updates.popleft()
                yield update
                if isinstance(update, End):
                    return
            self._fresh.clear()
            await self._fresh.wait()

    async def __aenter__(self) -> Run:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        self.cancel()

    def tell(self, update: Update) -> None:
        """Take an update; nothing after the end."""
        if self.over:
            return
        if isinstance(update, Progressed):
            self.progress = update
            if self._updates and isinstance(self._updates[-1], Progressed):
                self._updates.pop()
        self._updates.append(update)
        if len(self._updates) > UPDATES:
            self._updates.popleft()
        if isinstance(update, End):
            self._end.set_result(update)
        self._fresh.set()


Begin = Callable[[Sequence[Task]], AbstractContextManager[Sequence[Run]]]
"""Has tasks begun, let in at the door unless they were promised, or raises `Refused`; what it gives back is left when
they are over."""
