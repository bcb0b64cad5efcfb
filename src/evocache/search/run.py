"""A run: one evolution in a folder. Its journal holds every evaluation; opening the folder again goes on from there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import RunError
from ..schedule import Schedule, save
from ..schedule.front import Front
from .cells import pack
from .evolution import Answer, Job, More, Price, Settings, State, always, evolve
from .genes import Memory
from .journal import JOURNAL, MODEL, Journal, unreadable
from .space import Space

LEAST = 8
"""Answers that even the shortest budget waits for, so that there is something to prove."""


class Evaluator(Protocol):
    """Whoever evaluates jobs."""

    def evaluate(self, jobs: Sequence[Job], more: More = always) -> Iterator[tuple[int, Answer]]:
        """Numbers of jobs with their answers, in any order, each as soon as it is known.

        Before a job is begun, `more` is asked whether it may be; if not, those under way end, and no other is begun.

        The answer to a job is one error for each of its prompts, lower is better, infinite where a generation failed;
        to one with turns it is what `polish.polished` wants.
        """


@dataclass
class Progress:
    """Where a run is.

    Attributes:
        state: generation, points and number of jobs.
        seconds: how long the run has taken, earlier sittings included.
        replayed: jobs whose verdict came from the journal.
    """

    state: State
    seconds: float
    replayed: int


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
        budget_seconds: when to stop, counted over all sittings; None for no limit. No job is begun after that, so that
            a generation may be cut short; what was evaluated of it counts.
        watch: is told how many of the jobs at hand have been answered, and how many they are.
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
    budget_seconds: float | None = None
    watch: Callable[[int, int], None] = lambda answered, jobs: None
    clock: Callable[[], float] = time.perf_counter

    def evolve(self, tell: Callable[[Progress], bool | None] = lambda progress: None) -> Front:
        """Evolve to the end of the budget or the generations; `tell` is told of every generation, and may stop it.

        Raises:
            RunError: if the folder cannot be used, or holds another run.
        """
        with Journal(self.folder / JOURNAL) as journal:
            self._identify(journal)
            save(Schedule.full(self.space.tree, self.space.steps), self.folder / MODEL)
            return _Sitting(self, journal).drive(tell)

    def _identify(self, journal: Journal) -> None:
        settings = {**asdict(self.settings), "generations": None}
        own = {"steps": self.space.steps, "structure": self.space.tree.structure, **self.identity}
        if self.space.varies:  # so that runs of one number of steps are the same as before others were tried
            own["least steps"] = self.space.least
        if self.memory is not None:  # likewise
            own |= {"storages": list(self.memory.storages), "designs": [d.digest for d in self.memory.first]}
        own = json.loads(json.dumps({**own, "settings": settings, "seeds": [s.digest for s in self.seeds]}))
        if not journal.lines:
            journal.append("start", run=own)
        elif journal.lines[0].get("run") != own:
            found = journal.lines[0].get("run")
            before = found if isinstance(found, dict) else {}
            changed = sorted(k for k in {*own, *before} if own.get(k) != before.get(k))
            raise RunError(
                f"{self.folder}, a run with other {', '.join(changed)}",
                "the settings it was begun with",
                "use a new folder",
            )


class _Sitting:
    """One sitting at a run: replays the journal, then goes on."""

    def __init__(self, run: Run, journal: Journal) -> None:
        self.run = run
        self.journal = journal
        self.known: dict[str, Answer] = {}
        self.written: set[str] = set()
        self.ended: dict[int, Mapping[str, Any]] = {}
        self.cut: set[int] = set()
        """Generations that an earlier sitting cut short."""
        self.before = 0.0
        for number, line in enumerate(journal.lines, 1):
            try:
                self._replay(line)
            except (KeyError, TypeError, ValueError):
                raise unreadable(journal.path, number) from None
        self.began = run.clock()
        self.replayed = 0

    def _replay(self, line: Mapping[str, Any]) -> None:
        if line["kind"] == "eval":
            answer = [float("inf") if value is None else float(value) for value in line["values"]]
            if len(answer) != ((1 + line["turns"]) ** 2 if line["turns"] else len(line["prompts"])):
                raise ValueError("another number of values than asked for")
            self.known[line["key"]] = answer
        elif line["kind"] == "schedule":
            self.written.add(line["digest"])
        elif line["kind"] == "generation":
            self.ended[int(line["number"])] = line
        elif line["kind"] == "cut":
            self.cut.add(int(line["number"]))
        self.before = max(self.before, float(line.get("seconds", 0.0)))

    @property
    def seconds(self) -> float:
        return float(self.before + self.run.clock() - self.began)

    def drive(self, tell: Callable[[Progress], bool | None]) -> Front:
        run = self.run
        evolution = evolve(run.space, run.seeds, run.settings, run.price, run.memory)
        item = next(evolution)
        try:
            while True:
                item = evolution.send(self._generation(item, tell) if isinstance(item, State) else self._jobs(item))
        except StopIteration as end:
            front: Front = end.value
            return front

    @property
    def over(self) -> bool:
        """Whether the budget is spent."""
        budget = self.run.budget_seconds
        return budget is not None and self.seconds >= budget

    def _more(self) -> bool:
        """Whether another job may be begun: within the budget, or as long as there is next to nothing to prove."""
        return len(self.known) < LEAST or not self.over

    def _jobs(self, jobs: list[Job]) -> list[Answer | None]:
        """Answers to jobs, from the journal where they are in it; None for those that there is no time for."""
        missing = list({job.key: job for job in jobs if job.key not in self.known}.values())
        self.replayed += len(jobs) - len(missing)
        self.run.watch(0, len(missing))
        found = self.run.evaluator.evaluate(missing, self._more) if missing else ()
        for answered, (number, answer) in enumerate(found, 1):
            self._note(missing[number], answer)
            self.run.watch(answered, len(missing))
        return [self.known.get(job.key) for job in jobs]

    def _note(self, job: Job, answer: Answer) -> None:
        schedule = job.schedule
        if schedule.digest not in self.written:
            other = {} if schedule.steps == self.run.space.steps else {"steps": schedule.steps}
            origin = schedule.provenance.origin
            self.journal.append("schedule", digest=schedule.digest, cells=pack(schedule), origin=origin, **other)
            self.written.add(schedule.digest)
        stored = {} if job.storage == "none" else {"storage": job.storage}
        self.journal.append(
            "eval",
            key=job.key,
            schedule=schedule.digest,
            **stored,
            prompts=job.prompts,
            turns=len(job.turns),
            values=[value if np.isfinite(value) else None for value in answer],
            steps=round(job.step_equivalents, 3),
            seconds=round(self.seconds, 3),
        )
        self.known[job.key] = answer

    def _generation(self, state: State, tell: Callable[[Progress], bool | None]) -> bool:
        """Note the end of a generation; whether to stop. What was decided in an earlier sitting is decided again."""
        if state.generation in self.ended and state.generation + 1 in self.ended.keys() | self.cut:
            return False
        stop = bool(tell(Progress(state, self.seconds, self.replayed)))
        if state.cut:
            if state.generation not in self.cut:
                self.journal.append("cut", number=state.generation, jobs=state.jobs, seconds=round(self.seconds, 3))
        elif state.generation not in self.ended:
            self.journal.append(
                "generation",
                number=state.generation,
                jobs=state.jobs,
                steps=round(state.step_equivalents, 3),
                schedules=len(state.points),
                hypervolume=state.hypervolume,
                seconds=round(self.seconds, 3),
            )
        return stop or self.over
