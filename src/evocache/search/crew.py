"""Crews: workers that evaluate jobs side by side. Who the workers are is left to those who derive from `Crew`."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Error, RunError
from .evolution import Answer, Job, More, always

if TYPE_CHECKING:
    from .run import Evaluator

TRIES = 3
"""Workers that may be lost over one job before the run gives up."""

Make = Callable[[int], "Evaluator"]
"""Makes the evaluator of a worker, given its number; it must be picklable."""


@dataclass(frozen=True)
class Lost:
    """What is left of a worker that ended before it could answer: the reason."""

    why: str


Outcome = Answer | Error | Lost


class Hand:
    """What a worker does, wherever it is: it makes its evaluator at the first job, and answers job after job."""

    def __init__(self, make: Make, number: int) -> None:
        self._make = make
        self._number = number
        self._evaluator: Evaluator | None = None

    def answer(self, job: Job) -> Outcome:
        """What came of a job; nothing is raised, since not every exception survives the way back."""
        try:
            if self._evaluator is None:
                self._evaluator = self._make(self._number)
            ((_, answer),) = self._evaluator.evaluate([job])
            return answer
        except Error as error:
            return error
        except MemoryError:
            return Lost("out of memory")
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            return RunError(
                f"a worker that fails ({type(error).__name__}: {error}; {where.filename}:{where.lineno})",
                "an evaluator that can be made and run in another process",
                "try with one worker, in this process",
            )


class Crew(ABC):
    """An evaluator that gives each worker one job at a time; a context manager that leaves no worker behind.

    The answer to a job does not depend on which worker gives it, nor on what that worker did before.

    Attributes:
        size: number of workers.
    """

    size: int

    @abstractmethod
    def give(self, worker: int, job: Job) -> None:
        """Hand a job to a worker that has none, starting the worker if need be."""

    @abstractmethod
    def wait(self) -> list[tuple[int, Outcome]]:
        """Numbers of workers with what came of their jobs, at least one, as soon as there is one."""

    @abstractmethod
    def stop(self) -> None:
        """End all workers at once, whatever they are at; `give` starts them anew."""

    def evaluate(self, jobs: Sequence[Job], more: More = always) -> Iterator[tuple[int, Answer]]:
        """Numbers of jobs with their answers, as they come. A job whose worker was lost is given to another.

        When there are to be no more, workers end what they are at.

        Raises:
            RunError: if a job has cost too many workers.
            Error: what the evaluator of a worker raised.
        """
        # The longest first: whoever is done early then has something short left to take.
        left = deque(sorted(range(len(jobs)), key=lambda number: -jobs[number].step_equivalents))
        busy: dict[int, int] = {}
        losses: Counter[int] = Counter()
        try:
            while left or busy:
                for worker in range(self.size):
                    if left and worker not in busy and not more():
                        left.clear()
                    if left and worker not in busy:
                        busy[worker] = left.popleft()
                        self.give(worker, jobs[busy[worker]])
                for worker, outcome in self.wait() if busy else ():
                    number = busy.pop(worker)
                    if isinstance(outcome, Error):
                        raise outcome
                    if not isinstance(outcome, Lost):
                        yield number, outcome
                        continue
                    losses[number] += 1
                    if losses[number] == TRIES:
                        raise _given_up(jobs[number], outcome)
                    left.appendleft(number)
        except BaseException:  # left in the middle, by Ctrl-C or by whoever takes the answers, it is stopped as well
            self.stop()
            raise

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _given_up(job: Job, lost: Lost) -> RunError:
    origin = job.schedule.provenance.origin or job.schedule.digest[:12]
    return RunError(
        f"schedule {origin} on {len(job.prompts)} prompts, over which {TRIES} workers were lost ({lost.why})",
        "workers that live",
        "try fewer workers, a smaller batch, or see what the system says; the run goes on where it stands",
    )
