"""The spare task: what a worker has while nothing else is to be done. It is no run, and stands in no figure."""

from __future__ import annotations

import asyncio

from ...workers.task import Task
from ...workers.updates import Failed, Update
from ...workers.worker import Worker
from ..run import End
from .bench import Bench, Seat


class Spare:
    """One task at a time that gives way to everything; used in the loop's thread.

    Nothing is learned from what it takes. A run that comes while it ends may share one step with it.

    Args:
        bench: all workers.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._task: Task | None = None
        self._seat: Seat | None = None
        self._end: asyncio.Future[End] | None = None

    def begin(self, task: Task) -> asyncio.Future[End] | None:
        """Have a task made; returns its end, or None if there is one already, or no worker that takes it.

        That worker's last run was of its model, so that no weights are moved for it.
        """
        seat = next((seat for seat in self._bench.seats if task.model == seat.latest), None)
        if self._task is not None or seat is None:
            return None
        try:
            seat.worker.submit(task)
        except Exception:  # it has just gone, or cannot be told of this task
            return None
        self._task, self._seat = task, seat
        self._end = asyncio.get_running_loop().create_future()
        return self._end

    def stop(self) -> None:
        """End it within a step, if there is one."""
        if self._task is not None and self._seat is not None:
            self._seat.worker.cancel(self._task.id)

    def tell(self, id: str, update: Update) -> None:
        """Take what a worker tells of a task, which need not be this one."""
        if self._task is not None and id == self._task.id and isinstance(update, End):
            self._over(update)

    def lose(self, worker: Worker) -> None:
        """Take that a worker is gone."""
        if self._seat is not None and self._seat.worker is worker:
            self._over(Failed("worker", "the process that computed it is gone"))

    def _over(self, end: End) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(end)
        self._task = self._seat = self._end = None
