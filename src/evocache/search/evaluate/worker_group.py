"""Groups of workers: workers that evaluate jobs side by side. Who the workers are is left to those who derive from
`WorkerGroup`.
"""

from __future__ import annotations

import math
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import DeviceError, Error, RunError
from ..optimise.job import Answer, Failure, Job, More, always
from .faults import describe_fault, is_device_fault
from .job_times import Pace

if TYPE_CHECKING:
    from ..run import Evaluator

TRIES = 3
"""Workers that may be lost over one job before the run gives up."""

Make = Callable[[int], "Evaluator"]
"""Makes the evaluator of a worker, given its number; it must be picklable."""


@dataclass(frozen=True)
class WorkerLost:
    """What is left of a worker that ended before it could answer: the reason."""

    why: str


Outcome = Answer | Failure | Error | WorkerLost


class Worker:
    """What a worker does, wherever it is: it makes its evaluator at the first job, and answers job after job."""

    def __init__(self, make: Make, number: int) -> None:
        self._make = make
        self._number = number
        self._evaluator: Evaluator | None = None

    def answer(self, job: Job) -> Outcome:
        """Return what came of a job; nothing is raised, since not every exception survives the way back."""
        try:
            if self._evaluator is None:
                self._evaluator = self._make(self._number)
            ((_, answer),) = self._evaluator.evaluate([job])
            return answer
        except DeviceError as error:
            return WorkerLost(error.given)
        except Error as error:
            return error
        except Exception as error:
            if is_device_fault(error):
                return WorkerLost(describe_fault(error))
            where = traceback.extract_tb(error.__traceback__)[-1]
            return RunError(
                f"a worker that fails ({type(error).__name__}: {error}; {where.filename}:{where.lineno})",
                "an evaluator that can be made and run in another process",
                "try with one worker, in this process",
            )


class WorkerGroup(ABC):
    """An evaluator that gives each worker one job at a time; a context manager that leaves no worker behind.

    The answer to a job does not depend on which worker gives it, nor on what that worker did before. A worker that does
    not answer by its deadline is taken for lost, and ended.

    Attributes:
        size: number of workers.
        pace: how long they take for jobs.
        clock: seconds.
    """

    size: int
    pace: Pace = Pace()
    clock: Callable[[], float] = staticmethod(time.monotonic)

    @abstractmethod
    def give(self, worker: int, job: Job) -> None:
        """Hand a job to a worker that has none, starting the worker if need be."""

    @abstractmethod
    def wait(self, seconds: float | None = None) -> list[tuple[int, Outcome]]:
        """Return numbers of workers with what came of their jobs, as soon as there is one; none after the wait."""

    @abstractmethod
    def end(self, worker: int) -> None:
        """End a worker at once, whatever it is at; `give` starts it anew."""

    @abstractmethod
    def stop(self) -> None:
        """End all workers at once, whatever they are at; `give` starts them anew."""

    def evaluate(self, jobs: Sequence[Job], more: More = always) -> Iterator[tuple[int, Answer | Failure]]:
        """Yield numbers of jobs with their answers, as they come; a job whose worker was lost is given to another.

        When there are to be no more, workers end what they are at.

        Raises:
            RunError: if a job has cost too many workers.
            Error: what the evaluator of a worker raised.
        """
        # The longest first: whoever is done early then has something short left to take.
        left = deque(sorted(range(len(jobs)), key=lambda number: -jobs[number].step_equivalents))
        busy: dict[int, _Due] = {}
        losses: Counter[int] = Counter()
        try:
            while left or busy:
                for worker in range(self.size):
                    if left and worker not in busy and not more():
                        left.clear()
                    if left and worker not in busy:
                        number = left.popleft()
                        now = self.clock()
                        busy[worker] = _Due(number, now, now + self.pace.seconds(worker, jobs[number]))
                        self.give(worker, jobs[number])
                for worker, outcome in self._outcomes(busy):
                    due = busy.pop(worker)
                    if isinstance(outcome, Error):
                        raise outcome
                    if not isinstance(outcome, WorkerLost):
                        self.pace = self.pace.after(worker, jobs[due.number], self.clock() - due.began)
                        yield due.number, outcome
                        continue
                    self.pace = self.pace.without(worker)
                    losses[due.number] += 1
                    if losses[due.number] == TRIES:
                        raise _given_up(jobs[due.number], outcome)
                    left.appendleft(due.number)
        except BaseException:  # left in the middle, by Ctrl-C or by whoever takes the answers, it is stopped as well
            self.stop()
            raise

    def _outcomes(self, busy: Mapping[int, _Due]) -> list[tuple[int, Outcome]]:
        """What came of jobs; workers whose deadline is over are ended, and lost."""
        if not busy:
            return []
        first = min(due.until for due in busy.values())
        found = self.wait(None if math.isinf(first) else max(0.0, first - self.clock()))
        if found:
            return found
        late = [worker for worker, due in busy.items() if due.until <= self.clock()]
        for worker in late:
            self.end(worker)
        return [
            (worker, WorkerLost(f"no answer in {busy[worker].until - busy[worker].began:.0f} s")) for worker in late
        ]

    def __enter__(self) -> WorkerGroup:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(frozen=True)
class _Due:
    """What a worker is at: the number of its job, when it was given it, and when it must have answered."""

    number: int
    began: float
    until: float


def _given_up(job: Job, lost: WorkerLost) -> RunError:
    origin = job.schedule.provenance.origin or job.schedule.digest[:12]
    return RunError(
        f"schedule {origin} on {len(job.prompts)} prompts, over which {TRIES} workers were lost ({lost.why})",
        "workers that live",
        "try fewer workers, a smaller batch, or see what the system says; the same call continues where this one ends",
    )
