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

from ...errors import RunError
from ...schedule import Schedule
from ...schedule.front import Front, Point
from ...schedule.front.front import front_of, non_dominated
from ...schedule.numbers import real, whole
from ...schedule.size_limits import MAX_SEED
from ..genome.memory_genes import Design, Memory, MemoryPrice, siblings
from ..genome.search_space import Space
from .ecad_search import BinaryBreeder, BinaryDesigns
from .hypervolume import Box
from .nsga2 import Breeder, best
from .polish import TURN, Polisher, turned

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
        least = {"population": 2, "offspring": 1, "prompts": 1, "generations": 0, "polish": 0, "polish_prompts": 0}
        for name, low in (*least.items(), ("seed", 0)):
            whole(getattr(self, name), name, low, MAX_SEED if name == "seed" else 10**9, RunError)
        for name, limit in self.limits.items():
            real(limit, f"limits[{name!r}]", RunError, least=0)
        for rung in self.rungs:
            whole(rung, "rungs", 1, 10**9, RunError)
        if list(self.rungs) != sorted(set(self.rungs)) or any(not 0 < r < self.prompts for r in self.rungs):
            raise RunError(f"rungs {self.rungs}", f"increasing numbers below {self.prompts}", "correct the rungs")


@dataclass(frozen=True)
class Job:
    """What is to be evaluated: a schedule on prompts, given by their numbers.

    With `turns`, variants of the schedule, the answer is not the errors but how the variants move the outputs: see
    `polish.polished`. Features are stored in `storage`, by all of them.
    """

    schedule: Schedule
    prompts: tuple[int, ...]
    turns: tuple[Schedule, ...] = ()
    storage: str = "none"

    @cached_property
    def key(self) -> str:
        """What the answer depends on, as a short hash: the same on every machine."""
        return key_of(self.schedule.digest, self.prompts, self.turned, self.storage)

    @property
    def turned(self) -> tuple[str, ...]:
        """Digests of the turns."""
        return tuple(turn.digest for turn in self.turns)

    @property
    def figures(self) -> int:
        """How many numbers its answer has."""
        return (1 + len(self.turns)) ** 2 if self.turns else len(self.prompts)

    @property
    def step_equivalents(self) -> float:
        """Denoiser steps of one prompt that it takes; a step counts as the share of its leaves that are executed."""
        shares = sum(schedule.executed_fraction() for schedule in (self.schedule, *self.turns))
        return shares * self.schedule.steps * len(self.prompts)


def key_of(schedule: str, prompts: Sequence[int], turned: Sequence[str], storage: str) -> str:
    """The key of a job, from the digests of its schedule and turns."""
    parts = [schedule, *map(str, prompts), "", *turned]
    if storage != "none":
        parts += ["", storage]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class State:
    """Where the evolution is, told after every generation.

    Attributes:
        generation: 0 after the seeds.
        points: all designs that went through all prompts.
        names: of their objectives, in order.
        jobs: evaluations so far.
        step_equivalents: what they took, see `Job.step_equivalents`.
        hypervolume: share of the box around the seeds that the points dominate.
        cut: whether not all jobs of the generation were answered, so that it is the last.
    """

    generation: int
    points: tuple[Point, ...]
    names: tuple[str, ...]
    jobs: int
    step_equivalents: float
    hypervolume: float
    cut: bool = False


Price = Callable[[Schedule], Mapping[str, float]]
Answer = Sequence[float]


@dataclass(frozen=True)
class Failure:
    """What comes of a job instead of an answer if its schedule cannot be evaluated: the reason, which lies in it."""

    why: str


More = Callable[[], bool]
"""Whether another job may be begun."""


def always() -> bool:
    """There is time for every job."""
    return True


Answers = Sequence[Answer | None]
"""What is None was not evaluated any more: the generation is cut short."""

Evolve = Generator[list[Job] | State, Answers | bool | None, Front]


def evolve(
    space: Space,
    seeds: Sequence[Schedule],
    settings: Settings,
    price: Price,
    memory: Memory | None = None,
    start: Sequence[Design] = (),
) -> Evolve:
    """Evolve a front.

    Args:
        space: what may vary of schedules.
        seeds: schedules to start from, of which those that do not promise much are given up after a few prompts.
        settings: how the search goes about it.
        price: the objectives of a schedule that need no evaluation.
        memory: what may vary of memory, whose peak then is an objective; None where only schedules are searched.
        start: designs that are evaluated first, and on all prompts, so that the front is at least as good as they are.

    Yields:
        Lists of jobs, to be answered with a list of errors for each job, one for each of its prompts (lower is better;
        infinite for a schedule that failed) or None, which ends the evolution; and, after every generation, the state,
        to be answered with whether to stop.

    Returns:
        The front of all schedules that were evaluated on all prompts and keep the limits; if the seeds were cut short,
        of those that were evaluated on the prompts that all of these have seen.
    """
    return (yield from _Evolution(space, seeds, settings, price, memory, start).run())


class _Evolution:
    def __init__(
        self,
        space: Space,
        seeds: Sequence[Schedule],
        settings: Settings,
        price: Price,
        memory: Memory | None,
        start: Sequence[Design],
    ) -> None:
        self.settings = settings
        self.price = price
        self.memory = memory
        self.prices: dict[str, Mapping[str, float]] = {}
        self.memory_prices: dict[str, MemoryPrice] = {}
        self.errors: dict[str, npt.NDArray[np.float64]] = {}
        self.designs: dict[str, Design] = {}
        self.jobs = 0
        self.cut = False
        self.step_equivalents = 0.0
        self.box: Box | None = None
        first = [*start, *map(Design, seeds), *(memory.first if memory else ())]
        family = self._family(list({design.digest: design for design in first}.values()))
        allowed = [design for design in family if self._within(design)]
        if not allowed:
            limits = ", ".join(f"{name} {most:g}" for name, most in settings.limits.items())
            least = {name: min(self._priced(design)[name] for design in family) for name in settings.limits}
            known = ", ".join(f"{name} {value:g}" for name, value in least.items())
            raise RunError(f"limits {limits} that no seed keeps", f"limits that some keeps, from {known}", "raise them")
        self.names = (ERROR, *self._priced(allowed[0]))
        self.breeder = self._breeder(space, allowed)
        self.space = space
        self.start = [design for design in start if self._within(design)]
        self.polisher: Polisher | None = None

    def _breeder(self, space: Space, first: list[Design]) -> Breeder | BinaryDesigns:
        own, objectives = self.settings, len(self.names)
        if own.method == "ecad":
            schedules = [design.schedule for design in first]
            return BinaryDesigns(BinaryBreeder(space, schedules, own.population, objectives, own.seed))
        storages = self.memory.storages if self.memory else ()
        return Breeder(space, first, own.population, own.offspring, objectives, own.seed, storages)

    def _family(self, designs: Sequence[Design]) -> list[Design]:
        """Designs, and those that cost nothing once they are evaluated."""
        if self.memory is None:
            return list(designs)
        call_arguments = {design.digest for design in designs}
        found = {other.digest: other for design in designs for other in siblings(design)}
        return [design for digest, design in found.items() if digest in call_arguments or digest not in self.designs]

    def run(self) -> Evolve:
        order = np.random.default_rng(self.settings.seed).permutation(self.settings.prompts)
        prompts = [tuple(int(p) for p in part) for part in np.split(order, self.settings.rungs)]
        yield from self._begin(tuple(p for rung in prompts for p in rung))
        if not self.cut:
            yield from self._evaluate(self.breeder.ask(), prompts)
        for generation in range(self.settings.generations + 1):
            if (yield self._state(generation)) or self.cut or generation == self.settings.generations:
                break
            bred = self.breeder.ask()
            better = yield from self._polished(prompts)
            if not self.cut:
                yield from self._evaluate([*bred, *better], prompts)
        return front_of(self._points(), self.names)

    def _begin(self, prompts: tuple[int, ...]) -> Generator[list[Job], Answers, None]:
        """Evaluate what is started from on all prompts, so that whatever becomes of the rest cannot lose it."""
        left = {design.evaluated: design for design in self.start}
        if not left:
            return
        answers = yield from self._asked([_job(design, prompts) for design in left.values()])
        for key, errors in zip(left, answers, strict=True):
            if errors is not None and np.isfinite(errors).all():
                self.errors[key] = np.empty(self.settings.prompts)
                self.errors[key][list(prompts)] = errors
        known = [d for d in self._family(self.start) if d.evaluated in self.errors and self._within(d)]
        self.designs |= {design.digest: design for design in known}

    def _polished(self, prompts: list[tuple[int, ...]]) -> Generator[list[Job], Answers, list[Design]]:
        """Some designs with better gains, not evaluated yet."""
        front = [design for design in self._front() if not self._uncached(design)]
        count = self.settings.polish
        if not front or not count or self.box is None:
            return []
        if self.polisher is None:
            self.polisher = Polisher(self.space, self.box, np.random.default_rng([self.settings.seed, 1]))
        polisher = self.polisher
        values = np.array([self._values(design) for design in front])
        schedules = [design.schedule for design in front]
        owner = {design.schedule.digest: design for design in reversed(front)}
        chosen = [owner[schedule.digest] for schedule in polisher.points(schedules, values, (count + 1) // 2)]
        bred = polisher.bred(schedules, values, count - len(chosen))
        litters = [[front[parent].with_schedule(child) for child in litter] for parent, litter in bred]
        litters = [kept for kept in ([d for d in litter if self._within(d)] for litter in litters) if kept]
        chosen += yield from self._picked(polisher, litters, front, prompts[0])
        chosen = list({design.evaluated: design for design in chosen}.values())
        turnable = [polisher.knobs(design.schedule) for design in chosen]
        some = tuple(p for rung in prompts for p in rung)[: self.settings.polish_prompts]
        jobs = [
            Job(
                design.schedule,
                some,
                tuple(turned(design.schedule, [knob], [TURN]) for knob in knobs),
                design.genes.storage,
            )
            for design, knobs in zip(chosen, turnable, strict=True)
        ]
        answers = yield from self._asked(jobs)
        better = [
            [design.with_schedule(schedule) for schedule in polisher.results(design.schedule, knobs, answer)]
            for design, knobs, answer in zip(chosen, turnable, answers, strict=True)
            if answer is not None
        ]
        return [design for designs in better for design in designs]

    def _picked(
        self, polisher: Polisher, litters: list[list[Design]], front: list[Design], prompts: tuple[int, ...]
    ) -> Generator[list[Job], Answers, list[Design]]:
        """The one of each litter that is worth polishing, as it looks on a few prompts."""
        jobs = [_job(design, prompts) for litter in litters for design in litter]
        answers = iter([a for a in (yield from self._asked(jobs)) if a is not None] if jobs else ())
        if self.cut:
            return []
        peers = np.array([self._values(design, list(prompts)) for design in front])
        out = []
        for litter in litters:
            means = [float(np.mean(next(answers))) for _ in litter]
            own = [(mean, *self._priced(d).values()) for mean, d in zip(means, litter, strict=True)]
            kept = [i for i, mean in enumerate(means) if np.isfinite(mean)]
            if kept:
                out.append(litter[kept[polisher.pick(np.array([own[i] for i in kept]), peers)]])
        return out

    def _state(self, generation: int) -> State:
        values = np.array([self._values(design) for design in self.designs.values()])
        values = values.reshape(-1, len(self.names))
        if self.box is None and len(values):
            # what is uncached has no error at all, which would make everything else look alike
            some = values[[not self._uncached(design) for design in self.designs.values()]]
            self.box = Box.around(some if len(some) else values)
        volume = self.box.volume(values) if self.box else 0.0
        return State(generation, tuple(self._points()), self.names, self.jobs, self.step_equivalents, volume, self.cut)

    def _evaluate(self, designs: list[Design], prompts: list[tuple[int, ...]]) -> Evolve:
        """Evaluate rung by rung; tell the breeder of those that went through all rungs, now or earlier.

        Where that is cut short, who was not answered is given up. Of seeds none may have come through all rungs then:
        they are held against each other by the prompts that all of those that are left have seen.
        """
        designs = [design for design in self._family(designs) if self._within(design)]
        left: dict[str, list[Design]] = {}  # by what is evaluated: one evaluation serves them all
        for design in designs:
            if design.evaluated not in self.errors:
                left.setdefault(design.evaluated, []).append(design)
        partial: dict[str, npt.NDArray[np.float64]] = {key: np.full(self.settings.prompts, np.inf) for key in left}
        done: list[int] = []
        for rung in prompts:
            if not left:
                break
            answers = yield from self._asked([_job(first, rung) for first, *_ in left.values()])
            if self.cut and done and not self.designs:
                break
            done += rung
            for key, errors in zip(left, answers, strict=True):
                values = np.asarray(np.inf if errors is None else errors, dtype=float)
                partial[key][list(rung)] = np.where(np.isfinite(values), values, np.inf)
            left = {key: some for key, some in left.items() if np.isfinite(partial[key][done]).all()}
            if self.cut:
                break
            if self.settings.method != "ecad":
                means = {key: float(partial[key][done].mean()) for key in left}
                some = self._promising([design for some in left.values() for design in some], means, done)
                kept = {design.evaluated for design in some}
                left = {key: some for key, some in left.items() if key in kept}
        whole = len(done) == self.settings.prompts
        if not whole and self.designs:
            left = {}
        self.errors |= {key: partial[key] if whole else partial[key][done] for key in left}
        known = [design for design in designs if design.evaluated in self.errors]
        self.designs |= {design.digest: design for design in known if design.digest not in self.designs}
        if not self.cut:
            self.breeder.tell(known, np.array([self._values(d) for d in known]).reshape(len(known), len(self.names)))
        empty: Front = Front(())
        return empty

    def _asked(self, jobs: list[Job]) -> Generator[list[Job], Answers, Answers]:
        answers = yield jobs
        done = [job for job, answer in zip(jobs, answers, strict=True) if answer is not None]
        self.cut = len(done) < len(jobs)
        self.jobs += len(done)
        self.step_equivalents += sum(job.step_equivalents for job in done)
        return answers

    def _promising(self, designs: list[Design], means: Mapping[str, float], done: list[int]) -> list[Design]:
        """Those that nobody dominates on the prompts seen so far, pair by pair; of the seeds, the best by rank.

        What was seen by all prompts may be dominated. What is worse than the worst of the seeds is of no use, however
        fast it is.
        """
        if self.box is not None:
            designs = [d for d in designs if means[d.evaluated] <= self.box.worst[0]]
        if not designs or len(done) == self.settings.prompts:
            return designs
        own = np.array([(means[d.evaluated], *self._priced(d).values()) for d in designs])
        if self.box is None:
            return [designs[i] for i in best(own, self.settings.population)]
        peers = [self._values(d, done) for d in self.breeder.population]
        keep = non_dominated(np.array([*peers, *own]))[len(peers) :]
        return [design for design, kept in zip(designs, keep, strict=True) if kept]

    def _values(self, design: Design, prompts: list[int] | None = None) -> tuple[float, ...]:
        errors = self.errors[design.evaluated]
        mean = float(errors.mean() if prompts is None else errors[prompts].mean())
        return (mean, *self._priced(design).values())

    def _priced(self, design: Design) -> Mapping[str, float]:
        if design.digest not in self.prices:
            prices = self.price(design.schedule)
            if self.memory is not None:
                self.memory_prices[design.digest] = self.memory.memory_price(design)
                prices = self.memory.priced(self.memory_prices[design.digest], prices)
            self.prices[design.digest] = prices
        return self.prices[design.digest]

    def _uncached(self, design: Design) -> bool:
        """Whether it is what all is held against; what computes everything at fewer steps is not."""
        return design.schedule.is_full and design.schedule.steps == self.space.steps

    def _within(self, design: Design) -> bool:
        priced = self._priced(design)
        return all(priced[name] <= most for name, most in self.settings.limits.items())

    def _front(self) -> list[Design]:
        """Designs that no other dominates, from the worst to the best; of many, those that lie apart."""
        points = self._points()
        owners = {id(point): design for point, design in zip(points, self.designs.values(), strict=True)}
        front = [owners[id(point)] for point in front_of(points, self.names)]
        if self.memory is None:
            return front
        # one evaluation may have put many designs there, and hypervolumes of many take long
        front = list({design.evaluated: design for design in reversed(front)}.values())[::-1]
        return [front[i] for i in best(np.array([self._values(d) for d in front]), self.settings.population)]

    def _points(self) -> list[Point]:
        return [self._point(design) for design in self.designs.values()]

    def _point(self, design: Design) -> Point:
        objectives = dict(zip(self.names, self._values(design), strict=True))
        budget = self.memory_prices[design.digest].budget if self.memory is not None else None
        return Point(design.schedule, objectives, storage=design.genes.storage, budget=budget)


def _job(design: Design, prompts: tuple[int, ...]) -> Job:
    """A design's schedule and storage on prompts."""
    return Job(design.schedule, prompts, storage=design.genes.storage)
