"""A run: one evolution in a folder. Its journal holds every evaluation; opening the folder again goes on from there."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..schedule import Schedule, save
from ..schedule.front import Front
from .genome.memory_genes import Design, Memory
from .genome.search_space import Space
from .optimise.archive import Price
from .optimise.evolution import Evolution
from .optimise.job import Answer, Failure, Job, More, always
from .optimise.method import EVOCACHE, Method
from .optimise.settings import Settings
from .optimise.state import State
from .storage.journal import JOURNAL, MODEL, Journal
from .storage.journal_records import GenerationCut, GenerationEnded, JobEvaluated, RunStarted, ScheduleWritten
from .storage.packed_cells import pack
from .storage.run_identity import describe_mismatch
from .storage.run_records import RunRecords

LEAST = 8
"""Answers that even the shortest budget waits for, so that there is something to prove."""


class Evaluator(Protocol):
    """Whoever evaluates jobs."""

    def evaluate(self, jobs: Sequence[Job], more: More = always) -> Iterator[tuple[int, Answer | Failure]]:
        """Yield numbers of jobs with their answers, in any order, each as soon as it is known.

        Before a job is begun, `more` is asked whether it may be; if not, those under way end, and no other is begun.

        The answer to a job is one error for each of its prompts, lower is better, infinite where there is no figure; to
        one with turns it is what `polish.polished` wants; or it is the reason why its schedule fails.
        """


@dataclass
class Progress:
    """Where a run is.

    Attributes:
        state: generation, points and number of jobs.
        seconds: how long the run has taken, earlier sittings included.
        replayed: jobs whose verdict came from the journal.
        failed: jobs whose schedule failed.
    """

    state: State
    seconds: float
    replayed: int
    failed: int = 0


@dataclass
class Run:
    """A run in a folder.

    Args:
        folder: where the journal is kept.
        space: what may vary.
        seeds: schedules to start from.
        settings: how the search goes about it.
        price: the objectives that need no evaluation.
        evaluator: who evaluates.
        identity: what the evaluations depend on (model, prompts, quality); a journal of another run is refused.
        memory: what may vary of memory; None where only schedules are searched.
        start: designs that are evaluated first, on all prompts and whatever the budget, and so are never lost.
        method: who breeds; a journal of another method is refused.
        budget_seconds: when to stop, counted over all sittings; None for no limit. No job is begun after that, so that
            a generation may be cut short; what was evaluated of it counts.
        spent: seconds of the budget that were taken before a run that begins; one that goes on knows its own.
        watch: is told how many of the jobs at hand have been answered, and how many they are; may stop the run, even
            in the middle of a generation, by returning True. What was evaluated counts, if it is one answer at least.
        clock: seconds.
    """

    folder: Path
    space: Space
    seeds: Sequence[Schedule]
    settings: Settings
    price: Price
    evaluator: Evaluator
    identity: Mapping[str, Any] = field(default_factory=dict)
    memory: Memory | None = None
    start: Sequence[Design] = ()
    method: Method = EVOCACHE
    budget_seconds: float | None = None
    spent: float = 0.0
    watch: Callable[[int, int], bool | None] = lambda answered, jobs: None
    clock: Callable[[], float] = time.perf_counter

    def evolve(self, tell: Callable[[Progress], bool | None] = lambda progress: None) -> Front:
        """Evolve to the end of the budget or the generations; `tell` is told of every generation, and may stop it.

        Raises:
            IdentityError: if the folder holds another run.
            JournalError: if its journal is damaged.
            RunError: if it cannot be used.
        """
        with Journal(self.folder / JOURNAL) as journal:
            self._identify(journal)
            save(Schedule.full(self.space.tree, self.space.steps), self.folder / MODEL)
            return _Session(self, journal).drive(tell)

    def _identify(self, journal: Journal) -> None:
        settings = {**asdict(self.settings), "generations": None, "method": self.method.name}
        own = {"steps": self.space.steps, "structure": self.space.tree.structure, **self.identity}
        if self.space.varies:  # so that runs of one number of steps are the same as before others were tried
            own["least steps"] = self.space.least
        if self.memory is not None:  # likewise
            own |= {"storages": list(self.memory.storages), "designs": [d.digest for d in self.memory.first]}
        if self.start:
            own["start"] = [design.digest for design in self.start]
        own = json.loads(json.dumps({**own, "settings": settings, "seeds": [s.digest for s in self.seeds]}))
        if not journal.records:
            journal.append(RunStarted(own))
            return
        begun = RunRecords.of(journal.records).begun
        if begun.run != own:
            raise describe_mismatch(f"a call to continue {self.folder}", own, begun.run)


class _Session:
    """One sitting at a run: replays the journal, then goes on."""

    def __init__(self, run: Run, journal: Journal) -> None:
        self.run = run
        self.journal = journal
        before = RunRecords.of(journal.records)
        self.known: dict[str, Answer] = dict(before.answers)
        self.written = {*before.schedules}
        self.failed = len(before.failures)
        self.ended = {record.number for record in before.generations}
        self.cut = {record.number for record in before.cuts}
        """Generations that an earlier sitting cut short."""
        self.before = before.seconds or run.spent
        self.began = run.clock()
        self.replayed = 0
        self.stopped = False
        """Whether `watch` has asked to stop."""

    @property
    def seconds(self) -> float:
        return float(self.before + self.run.clock() - self.began)

    def drive(self, tell: Callable[[Progress], bool | None]) -> Front:
        run = self.run
        evolution = Evolution(run.space, run.seeds, run.settings, run.price, run.memory, run.start, run.method)
        while True:
            while jobs := evolution.ask():
                evolution.tell(jobs, self._jobs(jobs))
            if self._generation(evolution.state, tell) or evolution.is_finished:
                return evolution.front()
            evolution.begin_generation()

    @property
    def over(self) -> bool:
        """Whether the budget is spent, or the run is stopped."""
        budget = self.run.budget_seconds
        return self.stopped or (budget is not None and self.seconds >= budget)

    def _more(self) -> bool:
        """Whether another job may be begun: within the budget, or as long as there is next to nothing to prove.

        What is started from is answered first, so that as many answers as there are of it are its own. A run that is
        stopped waits for one answer alone, so that there is anything to prove.
        """
        if self.stopped:
            return len(self.known) <= self.failed
        return len(self.known) < max(LEAST, len({d.evaluated for d in self.run.start})) or not self.over

    def _jobs(self, jobs: list[Job]) -> list[Answer | None]:
        """Answers to jobs, from the journal where they are in it; None for those that there is no time for."""
        missing = list({job.key: job for job in jobs if job.key not in self.known}.values())
        self.replayed += len(jobs) - len(missing)
        self._watch(0, len(missing))
        found = self.run.evaluator.evaluate(missing, self._more) if missing else ()
        for answered, (number, answer) in enumerate(found, 1):
            self._note(missing[number], answer)
            self._watch(answered, len(missing))
        return [self.known.get(job.key) for job in jobs]

    def _watch(self, answered: int, jobs: int) -> None:
        self.stopped = bool(self.run.watch(answered, jobs)) or self.stopped

    def _note(self, job: Job, answer: Answer | Failure) -> None:
        schedule = job.schedule
        if schedule.digest not in self.written:
            steps = None if schedule.steps == self.run.space.steps else schedule.steps
            self.journal.append(ScheduleWritten(schedule.digest, pack(schedule), schedule.provenance.origin, steps))
            self.written.add(schedule.digest)
        values, failed = _describe(job, answer)
        self.journal.append(
            JobEvaluated(
                schedule.digest,
                job.prompts,
                values,
                job.turned,
                job.storage,
                failed,
                job.step_equivalents,
                self.seconds,
            )
        )
        self.failed += bool(failed)
        self.known[job.key] = values

    def _generation(self, state: State, tell: Callable[[Progress], bool | None]) -> bool:
        """Note the end of a generation; whether to stop. What was decided in an earlier sitting is decided again."""
        if state.generation in self.ended and state.generation + 1 in self.ended | self.cut:
            return False
        stop = bool(tell(Progress(state, self.seconds, self.replayed, self.failed)))
        if state.cut:
            if state.generation not in self.cut:
                self.journal.append(GenerationCut(state.generation, state.jobs, self.seconds))
        elif state.generation not in self.ended:
            self.journal.append(
                GenerationEnded(
                    state.generation,
                    state.jobs,
                    state.step_equivalents,
                    len(state.points),
                    state.hypervolume,
                    self.seconds,
                )
            )
        return stop or self.over


def _describe(job: Job, answer: Answer | Failure) -> tuple[tuple[float, ...], str]:
    """The values of an answer, infinite where they are no finite numbers, and why, if one is not."""
    if isinstance(answer, Failure):
        return (math.inf,) * job.figures, answer.why or "no reason given"
    values = tuple(float(value) if math.isfinite(value) else math.inf for value in answer)
    if all(map(math.isfinite, values)):
        return values, ""
    if job.turns:
        return values, "figures that are not finite"
    which = ", ".join(str(n) for n, value in zip(job.prompts, values, strict=True) if not math.isfinite(value))
    return values, f"a figure that is not finite, for prompt {which}"
