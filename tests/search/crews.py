"""Made-up evaluators for groups of workers, made in their workers; some are deadly. Workers import this, so it imports
little."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from evocache.errors import MismatchError
from evocache.schedule.front.front import Front
from evocache.search.optimise.job import Job
from evocache.search.optimise.settings import Settings
from evocache.search.run import Evaluator, Run
from tests.search.optimise.test_evolution import SEEDS, SPACE, answer, price

JOBS = [Job(seed, (0, 1, 2)) for seed in SEEDS[:12]]
ANSWERS = [answer(job, "") for job in JOBS]
SETTINGS = Settings(population=10, offspring=6, generations=3, prompts=4, rungs=(2,))


class Made:
    """Answers as the landscape of `test_evolution` does, after something has happened."""

    def __init__(self, before: Callable[[Job], object] = lambda job: None) -> None:
        self.before = before

    def evaluate(self, jobs: Sequence[Job], more: object = None) -> Iterator[tuple[int, list[float]]]:
        for number, job in enumerate(jobs):
            self.before(job)
            yield number, answer(job, "")


class Counting:
    """Counts the jobs that it answers, and can be told to die in the middle."""

    def __init__(
        self, answer: Callable[[Job], list[float]] = lambda job: answer(job, ""), die_after: int | None = None
    ) -> None:
        self.answer, self.die_after = answer, die_after
        self.jobs = 0

    def evaluate(self, jobs: Sequence[Job], more: object = None) -> Iterator[tuple[int, list[float]]]:
        for number, job in enumerate(jobs):
            if self.jobs == self.die_after:
                raise KeyboardInterrupt
            self.jobs += 1
            yield number, self.answer(job)


def plain(worker: int) -> Made:
    return Made()


def dying(worker: int, *, mark: Path, times: int, how: Callable[[], object]) -> Made:
    """Over a certain schedule something happens to the worker, so many times in all."""

    def before(job: Job) -> None:
        if job.schedule.digest == SEEDS[3].digest and len(list(mark.parent.glob(f"{mark.name}*"))) < times:
            mark.with_name(f"{mark.name}{os.getpid()}").touch()
            how()

    return Made(before)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refused() -> None:
    raise MismatchError("a schedule of another model", "one of this model", "evolve it anew")


def failed() -> None:
    raise ZeroDivisionError("nothing to divide by")


def hung() -> None:
    time.sleep(600)


def exhausted() -> None:
    raise MemoryError


def deadly(mark: Path, times: int, how: Callable[[], object] = killed) -> functools.partial[Made]:
    return functools.partial(dying, mark=mark, times=times, how=how)


def front(folder: Path, evaluator: Evaluator, settings: Settings = SETTINGS) -> Front:
    """The front of a short run."""
    folder.mkdir(exist_ok=True)
    return Run(folder, SPACE, SEEDS, settings, price, evaluator).evolve()


def figures(front: Front) -> list[tuple[str, dict[str, float]]]:
    return [(point.schedule.digest, dict(point.objectives)) for point in front]
