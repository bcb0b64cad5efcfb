"""The evolution: asked for jobs and told what came of them. Pure.

It knows neither a clock nor a model: the same seeds, settings and outcomes give the same front, which is what makes a
run resumable by replay and independent of who evaluates and in which order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ...errors import RunError
from ...schedule import Schedule
from ...schedule.front import Front
from ...schedule.front.front import front_of, non_dominated
from ..genome.memory_genes import Design, Memory
from ..genome.search_space import Space
from .archive import Archive, Price
from .hypervolume import Box
from .job import Asks, Job, Outcomes, job_of
from .method import EVOCACHE, Method
from .nsga2 import choose_best
from .polish import Polisher
from .polish_round import polish_round
from .settings import Settings
from .state import State


class Evolution:
    """A search for a front, by generations.

    Whoever evaluates asks for jobs until there are none, which ends a generation; `state` tells of it. Then it begins
    the next one, unless the evolution is finished:

        while True:
            while jobs := evolution.ask():
                evolution.tell(jobs, [evaluate(job) for job in jobs])
            if evolution.is_finished:
                return evolution.front()
            evolution.begin_generation()

    Args:
        space: what may vary of schedules.
        seeds: schedules to start from, of which those that do not promise much are given up after a few prompts.
        settings: how the search goes about it.
        price: the objectives of a schedule that need no evaluation.
        memory: what may vary of memory, whose peak then is an objective; None where only schedules are searched.
        start: designs that are evaluated first, and on all prompts, so that the front is at least as good as they are.
        method: who breeds.

    Raises:
        RunError: if no design to begin with keeps the limits.
    """

    def __init__(
        self,
        space: Space,
        seeds: Sequence[Schedule],
        settings: Settings,
        price: Price,
        memory: Memory | None = None,
        start: Sequence[Design] = (),
        method: Method = EVOCACHE,
    ) -> None:
        self.settings = settings
        self._space = space
        self._archive = Archive(price, memory, settings.limits, space.steps, settings.population)
        self._answered, self._step_equivalents = 0, 0.0
        self._box: Box | None = None
        self._polisher: Polisher | None = None
        self._cut = False
        first = [*start, *map(Design, seeds), *(memory.first if memory else ())]
        allowed = _allowed(first, self._archive, settings.limits)
        storages = memory.storages if memory else ()
        self._breeder = method.breed(space, allowed, settings, len(self._archive.names), storages)
        self._gives_up = method.gives_up
        self._start = [design for design in start if self._archive.is_within_limits(design)]
        order = np.random.default_rng(settings.seed).permutation(settings.prompts)
        self._prompts = [tuple(int(p) for p in part) for part in np.split(order, settings.rungs)]
        self._generation = 0
        self._state: State | None = None
        self._jobs: list[Job] = []
        self._asking = self._evaluate_first()
        self._go_on(None)

    def ask(self) -> list[Job]:
        """Return the jobs that wait for their outcomes; none once the generation has ended."""
        return list(self._jobs)

    def tell(self, jobs: Sequence[Job], outcomes: Outcomes) -> None:
        """Take the outcomes of jobs that were asked for, in any order.

        A job that is left out, or whose outcome is None, was not evaluated: the generation is cut short, and is the
        last.

        Raises:
            RunError: if one of the jobs was not asked for, or they are not as many as the outcomes.
        """
        if len(jobs) != len(outcomes):
            raise RunError(f"{len(outcomes)} outcomes", f"one for each of {len(jobs)} jobs", "give each its own")
        known = {job.key: outcome for job, outcome in zip(jobs, outcomes, strict=True)}
        strange = known.keys() - {job.key for job in self._jobs}
        if strange:
            raise RunError(f"the outcome of job {min(strange)}", "jobs that ask() has returned", "ask first")
        answers = [known.get(job.key) for job in self._jobs]
        self._note(answers)
        self._go_on(answers)

    @property
    def state(self) -> State:
        """Where the evolution was at the end of the last generation."""
        assert self._state is not None, "the first generation has not ended"
        return self._state

    @property
    def is_finished(self) -> bool:
        """Whether the generation that has ended was the last."""
        return self._cut or self._generation == self.settings.generations

    def begin_generation(self) -> None:
        """Begin the generation after one that has ended."""
        assert not self._jobs, "a generation that has not ended"
        self._generation += 1
        self._asking = self._evaluate_next()
        self._go_on(None)

    def front(self) -> Front:
        """Return the front of all schedules that were evaluated on all prompts and keep the limits.

        If the seeds were cut short, of those that were evaluated on the prompts that all of these have seen.
        """
        return front_of(self._archive.points(), self._archive.names)

    def _go_on(self, outcomes: Outcomes | None) -> None:
        """Go on to the next jobs, or to the end of the generation."""
        try:
            self._jobs = next(self._asking) if outcomes is None else self._asking.send(outcomes)
            while not self._jobs:
                self._note([])
                self._jobs = self._asking.send([])
        except StopIteration:
            self._jobs = []
            self._state = self._summarise()

    def _note(self, outcomes: Outcomes) -> None:
        answered = [job for job, outcome in zip(self._jobs, outcomes, strict=True) if outcome is not None]
        self._cut = len(answered) < len(self._jobs)
        self._answered += len(answered)
        self._step_equivalents += sum(job.step_equivalents for job in answered)

    def _evaluate_first(self) -> Asks[None]:
        yield from self._evaluate_start()
        if not self._cut:
            yield from self._evaluate(self._breeder.ask())

    def _evaluate_next(self) -> Asks[None]:
        bred, better = self._breeder.ask(), []
        if self.settings.polish and self._box is not None:
            if self._polisher is None:
                self._polisher = Polisher(self._space, self._box, np.random.default_rng([self.settings.seed, 1]))
            count, most = self.settings.polish, self.settings.polish_prompts
            better = yield from polish_round(self._archive, self._polisher, count, most, self._prompts)
        if not self._cut:
            yield from self._evaluate([*bred, *better])

    def _evaluate_start(self) -> Asks[None]:
        """Evaluate what is started from on all prompts, so that whatever becomes of the rest cannot lose it."""
        left = {design.evaluated: design for design in self._start}
        if not left:
            return
        prompts, archive = tuple(p for rung in self._prompts for p in rung), self._archive
        answers = yield [job_of(design, prompts) for design in left.values()]
        for key, errors in zip(left, answers, strict=True):
            if errors is not None and np.isfinite(errors).all():
                archive.errors[key] = np.empty(self.settings.prompts)
                archive.errors[key][list(prompts)] = errors
        known = [design for design in archive.add_siblings(self._start) if design.evaluated in archive.errors]
        archive.add([design for design in known if archive.is_within_limits(design)])

    def _evaluate(self, designs: list[Design]) -> Asks[None]:
        """Evaluate rung by rung; tell the breeder of those that went through all rungs, now or earlier.

        Where that is cut short, who was not answered is given up. Of seeds none may have come through all rungs then:
        they are held against each other by the prompts that all of those that are left have seen.
        """
        archive, prompts = self._archive, self.settings.prompts
        designs = [design for design in archive.add_siblings(designs) if archive.is_within_limits(design)]
        left: dict[str, list[Design]] = {}  # by what is evaluated: one evaluation serves them all
        for design in designs:
            if design.evaluated not in archive.errors:
                left.setdefault(design.evaluated, []).append(design)
        partial: dict[str, npt.NDArray[np.float64]] = {key: np.full(prompts, np.inf) for key in left}
        done: list[int] = []
        for rung in self._prompts:
            if not left:
                break
            answers = yield [job_of(first, rung) for first, *_ in left.values()]
            if self._cut and done and not archive.designs:
                break
            done += rung
            for key, errors in zip(left, answers, strict=True):
                values = np.asarray(np.inf if errors is None else errors, dtype=float)
                partial[key][list(rung)] = np.where(np.isfinite(values), values, np.inf)
            left = {key: some for key, some in left.items() if np.isfinite(partial[key][done]).all()}
            if self._cut:
                break
            if self._gives_up:
                means = {key: float(partial[key][done].mean()) for key in left}
                promising = self._choose_promising([design for some in left.values() for design in some], means, done)
                kept = {design.evaluated for design in promising}
                left = {key: some for key, some in left.items() if key in kept}
        whole = len(done) == prompts
        if not whole and archive.designs:
            left = {}
        archive.errors |= {key: partial[key] if whole else partial[key][done] for key in left}
        known = [design for design in designs if design.evaluated in archive.errors]
        archive.add(known)
        if not self._cut:
            self._breeder.tell(known, archive.table(known))

    def _choose_promising(self, designs: list[Design], means: Mapping[str, float], done: list[int]) -> list[Design]:
        """Those that nobody dominates on the prompts seen so far, pair by pair; of the seeds, the best by rank.

        What was seen by all prompts may be dominated. What is worse than the worst of the seeds is of no use, however
        fast it is.
        """
        if self._box is not None:
            designs = [d for d in designs if means[d.evaluated] <= self._box.worst[0]]
        if not designs or len(done) == self.settings.prompts:
            return designs
        own = np.array([(means[d.evaluated], *self._archive.price(d).values()) for d in designs])
        if self._box is None:
            return [designs[i] for i in choose_best(own, self.settings.population)]
        peers = self._archive.table(self._breeder.population, done)
        keep = non_dominated(np.vstack([peers, own]))[len(peers) :]
        return [design for design, kept in zip(designs, keep, strict=True) if kept]

    def _summarise(self) -> State:
        archive = self._archive
        values = archive.table([*archive.designs.values()])
        if self._box is None and len(values):
            # what is uncached has no error at all, which would make everything else look alike
            some = values[[not archive.is_uncached(design) for design in archive.designs.values()]]
            self._box = Box.around(some if len(some) else values)
        volume = self._box.volume(values) if self._box else 0.0
        return State(
            self._generation,
            tuple(archive.points()),
            archive.names,
            self._answered,
            self._step_equivalents,
            volume,
            self._cut,
        )


def _allowed(designs: Sequence[Design], archive: Archive, limits: Mapping[str, float]) -> list[Design]:
    """Those of the designs to begin with, and of what is free beside them, that keep the limits.

    Raises:
        RunError: if there are none.
    """
    family = archive.add_siblings(list({design.digest: design for design in designs}.values()))
    allowed = [design for design in family if archive.is_within_limits(design)]
    if not allowed:
        given = ", ".join(f"{name} {most:g}" for name, most in limits.items())
        least = {name: min(archive.price(design)[name] for design in family) for name in limits}
        known = ", ".join(f"{name} {value:g}" for name, value in least.items())
        raise RunError(f"limits {given} that no seed keeps", f"limits that some keeps, from {known}", "raise them")
    return allowed
