"""Evaluating jobs in processes of this machine."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait

from ..optimise.job import Job
from .worker_group import Make, Outcome, Worker, WorkerGroup, WorkerLost

GRACE = 5.0
"""Seconds that a worker has to end by itself."""


class PoolEvaluator(WorkerGroup):
    """A group of workers of processes, each with its own evaluator, started at their first job.

    One that ends over a job (killed, out of memory, a fault in native code) is replaced at its next one. They end with
    the context, and with this process, however that ends: they read from a pipe that only this process holds.

    Args:
        make: makes a worker's evaluator, in its process.
        workers: number of processes.
    """

    def __init__(self, make: Make, workers: int) -> None:
        self.size = workers
        self._make = make
        self._workers: dict[int, _Worker] = {}
        self._busy: set[int] = set()

    def give(self, worker: int, job: Job) -> None:
        """Hand a job to a worker."""
        if worker not in self._workers:
            self._workers[worker] = _Worker(self._make, worker)
        self._busy.add(worker)
        self._workers[worker].give(job)

    def wait(self, seconds: float | None = None) -> list[tuple[int, Outcome]]:
        """Wait for jobs, and return what came of them."""
        ready = wait([self._workers[worker].pipe for worker in self._busy], seconds)
        return [(worker, self._taken(worker)) for worker in sorted(self._busy) if self._workers[worker].pipe in ready]

    def _taken(self, number: int) -> Outcome:
        self._busy.discard(number)
        outcome = self._workers[number].take()
        if isinstance(outcome, WorkerLost):
            self._workers.pop(number).end()
        return outcome

    def end(self, worker: int) -> None:
        """End a process."""
        self._busy.discard(worker)
        self._workers.pop(worker).end()

    def stop(self) -> None:
        """End all processes."""
        self._busy.clear()
        for worker in self._workers.values():
            worker.process.terminate()
        while self._workers:
            self._workers.popitem()[1].end()

    @property
    def processes(self) -> list[int]:
        """Ids of the processes that there are."""
        return [worker.process.pid for worker in self._workers.values() if worker.process.pid is not None]


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, make: Make, number: int) -> None:
        context = get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_work, args=(make, number, far), name=f"evocache-{number}", daemon=True)
        with far, _without_interrupts():
            self.process.start()

    def give(self, job: Job) -> None:
        with suppress(OSError):  # it may have ended, as `take` will find
            self.pipe.send(job)

    def take(self) -> Outcome:
        try:
            outcome: Outcome = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(10)
            return WorkerLost(_ending(self.process.exitcode))
        return outcome

    def end(self) -> None:
        self.process.terminate()
        self.process.join(GRACE)
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()


def _work(make: Make, number: int, pipe: Connection) -> None:
    """The life of a worker: it ends when nobody holds the other end of its pipe any more."""
    signal.signal(signal.SIGTERM, _leave)
    warnings.simplefilter("ignore")  # of whatever there is to warn, the first process has warned
    hand = Worker(make, number)
    try:
        while True:
            pipe.send(hand.answer(pipe.recv()))
    except (EOFError, OSError):
        return


def _leave(number: int, frame: object) -> None:
    """End a worker so that it gives back what libraries hold, semaphores above all; asked again, it is at it."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started within the context never see Ctrl-C, which a terminal sends to all: it is for their parent."""
    resource_tracker.ensure_running()  # when multiprocessing starts it, it lets Ctrl-C through again
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where a new process has a mask of its own
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with exit code {code}; in a script, start workers under `if __name__ == '__main__':`"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"ended by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")
