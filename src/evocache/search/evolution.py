"""The evolution itself: a generator that yields what is to be evaluated and is sent what came of it. Pure.

It knows neither a clock nor a model: the same seeds, settings and verdicts give the same front, which is what makes a
run resumable by replay and independent of who evaluates and in which order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RunError
from ..schedule import Schedule
from ..schedule.front import Front, Point, front_of, non_dominated
from .binary import BinaryBreeder
from .breed import Breeder, best
from .hypervolume import Box
from .polish import TURN, Polisher, turned
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
        rungs: numbers of prompts after which those that are dominated so far are given up; of the seeds, all but the
            best `population` are.
        polish: how many schedules have their gains polished in a generation (see `polish`).
        polish_prompts: on how many prompts.
        limits: most that a priced objective may be (`{"memory": 200e6}`).
        seed: of all randomness.
        method: `evocache`, or `ecad` for the search of that paper, to compare with (see `Settings.ecad`).
    """

    population: int = 32
    offspring: int = 10
    generations: int = 100
    prompts: int = 16
    rungs: tuple[int, ...] = (4,)
    polish: int = 6
    polish_prompts: int = 8
    limits: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    method: str = "evocache"

    @classmethod
    def of(cls, prompts: int, *, method: str = "evocache", **others: Any) -> Settings:
        """Settings for a number of prompts: the first rung is 4 of them, where there are more."""
        if method == "ecad":
            return cls.ecad(prompts=prompts, **others)
        return cls(**{"prompts": prompts, "rungs": (4,) if prompts > 4 else (), **others, "method": method})

    @classmethod
    def ecad(cls, **others: Any) -> Settings:
        """The settings of ECAD (arXiv 2506.15682): a population of 72, all of which is bred anew, and no rungs."""
        return cls(**{"population": 72, "offspring": 72, "rungs": (), "polish": 0, **others, "method": "ecad"})

    def __post_init__(self) -> None:
        if self.method not in ("evocache", "ecad"):
            raise RunError(f"method {self.method!r}", "evocache or ecad", "choose one of them")
        counts = (self.population, self.offspring, self.prompts)
        if min(counts) < 1 or self.generations < 0 or self.population < 2:
            raise RunError(f"{self}", "at least 2 survivors, 1 offspring and 1 prompt", "raise the numbers")
        if list(self.rungs) != sorted(set(self.rungs)) or any(not 0 < r < self.prompts for r in self.rungs):
            raise RunError(f"rungs {self.rungs}", f"increasing numbers below {self.prompts}", "correct the rungs")


@dataclass(frozen=True)
class Job:
    """What is to be evaluated: a schedule on prompts, given by their numbers.

    With `turns`, variants of the schedule, the answer is not the errors but how the variants move the outputs: see
    `polish.polished`.
    """

    schedule: Schedule
    prompts: tuple[int, ...]
    turns: tuple[Schedule, ...] = ()

    @cached_property
    def key(self) -> str:
        """What the answer depends on, as a short hash: the same on every machine."""
        parts = [self.schedule.digest, *map(str, self.prompts), "", *(turn.digest for turn in self.turns)]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]

    @property
    def step_equivalents(self) -> float:
        """Denoiser steps of one prompt that it takes; a step counts as the share of its leaves that are executed."""
        shares = sum(schedule.executed_fraction() for schedule in (self.schedule, *self.turns))
        return shares * self.schedule.steps * len(self.prompts)


@dataclass(frozen=True)
class State:
    """Where the evolution is, told after every generation.

    Attributes:
        generation: 0 after the seeds.
        points: all schedules that went through all prompts.
        names: of their objectives, in order.
        jobs: evaluations so far.
        step_equivalents: what they took, see `Job.step_equivalents`.
        hypervolume: share of the box around the seeds that the points dominate.
    """

    generation: int
    points: tuple[Point, ...]
    names: tuple[str, ...]
    jobs: int
    step_equivalents: float
    hypervolume: float


Price = Callable[[Schedule], Mapping[str, float]]
Answer = Sequence[float]
Evolve = Generator[list[Job] | State, Sequence[Answer] | bool | None, Front]


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
        self.step_equivalents = 0.0
        self.box: Box | None = None
        allowed = [seed for seed in seeds if self._within(seed)]
        if not allowed:
            limits = ", ".join(f"{name} {most:g}" for name, most in settings.limits.items())
            raise RunError(f"limits {limits} that no seed keeps", "limits that some schedule keeps", "raise them")
        self.names = (ERROR, *self._priced(allowed[0]))
        self.breeder = self._breeder(space, allowed)
        self.space = space
        self.polisher: Polisher | None = None

    def _breeder(self, space: Space, first: list[Schedule]) -> Breeder | BinaryBreeder:
        own, objectives = self.settings, len(self.names)
        if own.method == "ecad":
            return BinaryBreeder(space, first, own.population, objectives, own.seed)
        return Breeder(space, first, own.population, own.offspring, objectives, own.seed)

    def run(self) -> Evolve:
        order = np.random.default_rng(self.settings.seed).permutation(self.settings.prompts)
        prompts = [tuple(int(p) for p in part) for part in np.split(order, self.settings.rungs)]
        yield from self._evaluate(self.breeder.ask(), prompts)
        for generation in range(self.settings.generations + 1):
            if (yield self._state(generation)) or generation == self.settings.generations:
                break
            bred = self.breeder.ask()
            better = yield from self._polished(prompts)
            yield from self._evaluate([*bred, *better], prompts)
        return front_of(self._points(), self.names)

    def _polished(self, prompts: list[tuple[int, ...]]) -> Generator[list[Job], Sequence[Answer], list[Schedule]]:
        """Some schedules with better gains, not evaluated yet."""
        front = [p.schedule for p in front_of(self._points(), self.names) if not self._uncached(p.schedule)]
        count = self.settings.polish
        if not front or not count or self.box is None:
            return []
        if self.polisher is None:
            self.polisher = Polisher(self.space, self.box, np.random.default_rng([self.settings.seed, 1]))
        polisher = self.polisher
        values = np.array([self._values(schedule) for schedule in front])
        chosen = polisher.points(front, values, (count + 1) // 2)
        litters = polisher.litters(front, values, count - len(chosen))
        litters = [kept for kept in ([s for s in litter if self._within(s)] for litter in litters) if kept]
        chosen += yield from self._picked(polisher, litters, front, prompts[0])
        chosen = list({s.digest: s for s in chosen}.values())
        turnable = [polisher.knobs(schedule) for schedule in chosen]
        some = tuple(p for rung in prompts for p in rung)[: self.settings.polish_prompts]
        jobs = [
            Job(schedule, some, tuple(turned(schedule, [knob], [TURN]) for knob in knobs))
            for schedule, knobs in zip(chosen, turnable, strict=True)
        ]
        answers = yield from self._asked(jobs)
        better = [polisher.results(*found) for found in zip(chosen, turnable, answers, strict=True)]
        return [schedule for schedules in better for schedule in schedules]

    def _picked(
        self, polisher: Polisher, litters: list[list[Schedule]], front: list[Schedule], prompts: tuple[int, ...]
    ) -> Generator[list[Job], Sequence[Answer], list[Schedule]]:
        """The one of each litter that is worth polishing, as it looks on a few prompts."""
        jobs = [Job(schedule, prompts) for litter in litters for schedule in litter]
        answers = iter((yield from self._asked(jobs)) if jobs else ())
        rivals = np.array([self._values(schedule, list(prompts)) for schedule in front])
        out = []
        for litter in litters:
            means = [float(np.mean(next(answers))) for _ in litter]
            own = [(mean, *self._priced(s).values()) for mean, s in zip(means, litter, strict=True)]
            kept = [i for i, mean in enumerate(means) if np.isfinite(mean)]
            if kept:
                out.append(litter[kept[polisher.pick(np.array([own[i] for i in kept]), rivals)]])
        return out

    def _state(self, generation: int) -> State:
        values = np.array([self._values(schedule) for schedule in self.schedules.values()])
        values = values.reshape(-1, len(self.names))
        if self.box is None and len(values):
            # what is uncached has no error at all, which would make everything else look alike
            some = values[[not self._uncached(schedule) for schedule in self.schedules.values()]]
            self.box = Box.around(some if len(some) else values)
        volume = self.box.volume(values) if self.box else 0.0
        return State(generation, tuple(self._points()), self.names, self.jobs, self.step_equivalents, volume)

    def _evaluate(self, schedules: list[Schedule], prompts: list[tuple[int, ...]]) -> Evolve:
        """Evaluate rung by rung; tell the breeder of those that went through all rungs, now or earlier."""
        fresh = {s.digest: s for s in schedules if self._within(s) and s.digest not in self.errors}
        left = list(fresh.values())
        partial: dict[str, npt.NDArray[np.float64]] = {s.digest: np.full(self.settings.prompts, np.inf) for s in left}
        done: list[int] = []
        for rung in prompts:
            if not left:
                break
            answer = yield from self._asked([Job(schedule, rung) for schedule in left])
            done += rung
            for schedule, errors in zip(left, answer, strict=True):
                values = np.asarray(errors, dtype=float)
                partial[schedule.digest][list(rung)] = np.where(np.isfinite(values), values, np.inf)
            left = [s for s in left if np.isfinite(partial[s.digest][done]).all()]
            if self.settings.method != "ecad":
                left = self._promising(left, {s.digest: float(partial[s.digest][done].mean()) for s in left}, done)
        for schedule in left:
            self.errors[schedule.digest] = partial[schedule.digest]
            self.schedules[schedule.digest] = schedule
        known = [s for s in schedules if s.digest in self.errors]
        self.breeder.tell(known, np.array([self._values(s) for s in known]).reshape(len(known), len(self.names)))
        empty: Front = Front(())
        return empty

    def _asked(self, jobs: list[Job]) -> Generator[list[Job], Sequence[Answer], Sequence[Answer]]:
        answers = yield jobs
        self.jobs += len(jobs)
        self.step_equivalents += sum(job.step_equivalents for job in jobs)
        return answers

    def _promising(self, schedules: list[Schedule], means: Mapping[str, float], done: list[int]) -> list[Schedule]:
        """Those that nobody dominates on the prompts seen so far, pair by pair; of the seeds, the best by rank.

        What was seen by all prompts may be dominated. What is worse than the worst of the seeds is of no use, however
        fast it is.
        """
        if self.box is not None:
            schedules = [s for s in schedules if means[s.digest] <= self.box.worst[0]]
        if not schedules or len(done) == self.settings.prompts:
            return schedules
        own = np.array([(means[s.digest], *self._priced(s).values()) for s in schedules])
        if self.box is None:
            return [schedules[i] for i in best(own, self.settings.population)]
        rivals = [self._values(s, done) for s in self.breeder.population]
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

    def _uncached(self, schedule: Schedule) -> bool:
        """Whether it is what all is held against; what computes everything at fewer steps is not."""
        return schedule.is_full and schedule.steps == self.space.steps

    def _within(self, schedule: Schedule) -> bool:
        priced = self._priced(schedule)
        return all(priced[name] <= most for name, most in self.settings.limits.items())

    def _points(self) -> list[Point]:
        return [
            Point(self.schedules[digest], dict(zip(self.names, self._values(self.schedules[digest]), strict=True)))
            for digest in self.errors
        ]
