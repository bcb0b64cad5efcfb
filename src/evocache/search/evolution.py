"""The evolution itself: a generator that yields what is to be evaluated and is sent what came of it. Pure.

It knows neither a clock nor a model: the same seeds, settings and verdicts give the same front, which is what makes a
run resumable by replay and independent of who evaluates and in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..errors import RunError
from ..schedule import Schedule
from ..schedule.front import Front, Point, front_of, non_dominated
from .breed import Breeder
from .space import Space

ERROR = "error"
"""Name of the one objective that takes evaluation; the others are priced from the schedule."""


@dataclass(frozen=True)
class Settings:
    """How a search goes about it.

    Attributes:
        population: how many schedules survive a generation.
        offspring: how many are bred in one.
        generations: most generations; the caller may stop earlier.
        prompts: number of calibration prompts.
        rungs: numbers of prompts after which offspring that are dominated so far are given up.
        limits: most that a priced objective may be (`{"memory": 200e6}`).
        seed: of all randomness.
    """

    population: int = 40
    offspring: int = 24
    generations: int = 100
    prompts: int = 16
    rungs: tuple[int, ...] = (4,)
    limits: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.population, self.offspring, self.prompts)
        if min(counts) < 1 or self.generations < 0 or self.population < 2:
            raise RunError(f"{self}", "at least 2 survivors, 1 offspring and 1 prompt", "raise the numbers")
        if list(self.rungs) != sorted(set(self.rungs)) or any(not 0 < r < self.prompts for r in self.rungs):
            raise RunError(f"rungs {self.rungs}", f"increasing numbers below {self.prompts}", "correct the rungs")


@dataclass(frozen=True)
class Job:
    """A schedule to be evaluated on prompts, given by their numbers."""

    schedule: Schedule
    prompts: tuple[int, ...]


@dataclass(frozen=True)
class State:
    """Where the evolution is, told after every generation."""

    generation: int
    points: tuple[Point, ...]
    jobs: int


Price = Callable[[Schedule], Mapping[str, float]]
Evolve = Generator[list[Job] | State, Sequence[Sequence[float]] | bool | None, Front]


def evolve(space: Space, seeds: Sequence[Schedule], settings: Settings, price: Price) -> Evolve:
    """Evolve a front.

    Yields:
        Lists of jobs, to be answered with a list of errors for each job, one for each of its prompts (lower is better;
        infinite for a schedule that failed); and, after every generation, the state, to be answered with whether to
        stop.

    Returns:
        The front of all schedules that were evaluated on all prompts and keep the limits.
    """
    return (yield from _Evolution(space, seeds, settings, price).run())


class _Evolution:
    def __init__(self, space: Space, seeds: Sequence[Schedule], settings: Settings, price: Price) -> None:
        self.settings = settings
        self.price = price
        self.prices: dict[str, Mapping[str, float]] = {}
        self.errors: dict[str, npt.NDArray[np.float64]] = {}
        self.schedules: dict[str, Schedule] = {}
        self.jobs = 0
        allowed = [seed for seed in seeds if self._within(seed)]
        if not allowed:
            limits = ", ".join(f"{name} {most:g}" for name, most in settings.limits.items())
            raise RunError(f"limits {limits} that no seed keeps", "limits that some schedule keeps", "raise them")
        self.names = (ERROR, *self._priced(allowed[0]))
        self.breeder = Breeder(space, allowed, settings.population, settings.offspring, len(self.names), settings.seed)

    def run(self) -> Evolve:
        order = np.random.default_rng(self.settings.seed).permutation(self.settings.prompts)
        prompts = [tuple(int(p) for p in part) for part in np.split(order, self.settings.rungs)]
        yield from self._evaluate(self.breeder.ask(), prompts, give_up=False)
        for generation in range(self.settings.generations + 1):
            state = State(generation, tuple(self._points()), self.jobs)
            if (yield state) or generation == self.settings.generations:
                break
            yield from self._evaluate(self.breeder.ask(), prompts, give_up=True)
        return front_of(self._points(), self.names)

    def _evaluate(self, schedules: list[Schedule], prompts: list[tuple[int, ...]], *, give_up: bool) -> Evolve:
        """Evaluate rung by rung; tell the breeder of those that went through all rungs."""
        left = [s for s in schedules if self._within(s) and s.digest not in self.errors]
        partial: dict[str, npt.NDArray[np.float64]] = {s.digest: np.full(self.settings.prompts, np.inf) for s in left}
        done: list[int] = []
        for rung in prompts:
            if not left:
                break
            answer = yield [Job(schedule, rung) for schedule in left]
            assert isinstance(answer, Sequence)
            self.jobs += len(left)
            done += rung
            for schedule, errors in zip(left, answer, strict=True):
                values = np.asarray(errors, dtype=float)
                partial[schedule.digest][list(rung)] = np.where(np.isfinite(values), values, np.inf)
            left = [s for s in left if np.isfinite(partial[s.digest][done]).all()]
            if give_up and len(done) < self.settings.prompts:
                left = self._promising(left, partial, done)
        for schedule in left:
            self.errors[schedule.digest] = partial[schedule.digest]
            self.schedules[schedule.digest] = schedule
        self.breeder.tell(left, np.array([self._values(s) for s in left]).reshape(len(left), len(self.names)))
        empty: Front = Front(())
        return empty

    def _promising(
        self, schedules: list[Schedule], partial: dict[str, npt.NDArray[np.float64]], done: list[int]
    ) -> list[Schedule]:
        """Those that nobody in the population dominates on the prompts seen so far, pair by pair."""
        rivals = [self._values(s, done) for s in self.breeder.population]
        own = [(float(partial[s.digest][done].mean()), *self._priced(s).values()) for s in schedules]
        if not own:
            return []
        keep = non_dominated(np.array([*rivals, *own]))[len(rivals) :]
        return [schedule for schedule, kept in zip(schedules, keep, strict=True) if kept]

    def _values(self, schedule: Schedule, prompts: list[int] | None = None) -> tuple[float, ...]:
        errors = self.errors[schedule.digest]
        mean = float(errors.mean() if prompts is None else errors[prompts].mean())
        return (mean, *self._priced(schedule).values())

    def _priced(self, schedule: Schedule) -> Mapping[str, float]:
        if schedule.digest not in self.prices:
            self.prices[schedule.digest] = self.price(schedule)
        return self.prices[schedule.digest]

    def _within(self, schedule: Schedule) -> bool:
        priced = self._priced(schedule)
        return all(priced[name] <= most for name, most in self.settings.limits.items())

    def _points(self) -> list[Point]:
        return [
            Point(self.schedules[digest], dict(zip(self.names, self._values(self.schedules[digest]), strict=True)))
            for digest in self.errors
        ]
