"""Records of a run's journal: what each kind of line says, checked as it is read. Pure.

Numbers are finite and within bounds, names are texts, and the key of an evaluation is that of its schedule, prompts,
turns and storage: what does not agree is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import CodecError, short
from ...schedule.io import strict_json as sj
from ..optimise.job import key_of

MOST = 10**9
"""Most of anything that is counted: prompts, steps, generations, evaluations."""

MOST_SECONDS = 1e10
"""Longest time that a run may have taken: three hundred years."""

MOST_TURNS = 10_000
"""Most turns of an evaluation."""


@dataclass(frozen=True)
class RunStarted:
    """The first line: what the run depends on (steps, prompts, quality, objectives, settings, seeds)."""

    kind: ClassVar[str] = "start"
    run: Mapping[str, Any]

    def line(self) -> dict[str, Any]:
        """Return the record as a line."""
        return {"run": dict(self.run)}


@dataclass(frozen=True)
class ScheduleWritten:
    """A schedule, before the first line that names it.

    Attributes:
        digest: of the schedule.
        cells: see `cells.pack`.
        origin: what made it.
        steps: its number of steps; None if that of the uncached generation.
    """

    kind: ClassVar[str] = "schedule"
    digest: str
    cells: str
    origin: str = ""
    steps: int | None = None

    def line(self) -> dict[str, Any]:
        """Return the record as a line."""
        steps = {} if self.steps is None else {"steps": self.steps}
        return {"digest": self.digest, "cells": self.cells, "origin": self.origin, **steps}


@dataclass(frozen=True)
class JobEvaluated:
    """What came of a job.

    Attributes:
        schedule: digest of its schedule.
        prompts: their numbers.
        values: the answer; infinite where there is no finite figure.
        turned: digests of its turns (see `evolution.Job`).
        storage: what features were stored in.
        failed: why the schedule failed; empty if it did not.
        steps: denoiser steps of one prompt that it took.
        seconds: since the run began.
    """

    kind: ClassVar[str] = "eval"
    schedule: str
    prompts: tuple[int, ...]
    values: tuple[float, ...]
    turned: tuple[str, ...] = ()
    storage: str = "none"
    failed: str = ""
    steps: float = 0.0
    seconds: float = 0.0

    @property
    def key(self) -> str:
        """The job's key."""
        return key_of(self.schedule, self.prompts, self.turned, self.storage)

    def line(self) -> dict[str, Any]:
        """Return the record as a line."""
        return {
            "key": self.key,
            "schedule": self.schedule,
            **({} if self.storage == "none" else {"storage": self.storage}),
            "prompts": list(self.prompts),
            **({"turned": list(self.turned)} if self.turned else {}),
            "values": [value if math.isfinite(value) else None for value in self.values],
            **({"failed": self.failed} if self.failed else {}),
            "steps": round(self.steps, 3),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class GenerationEnded:
    """The end of a generation.

    Attributes:
        number: of the generation, 0 after the seeds.
        jobs: evaluations so far.
        steps: denoiser steps of one prompt spent so far.
        schedules: evaluated on all prompts so far.
        hypervolume: share of the box around the seeds that they dominate.
        seconds: since the run began.
    """

    kind: ClassVar[str] = "generation"
    number: int
    jobs: int
    steps: float
    schedules: int
    hypervolume: float
    seconds: float

    def line(self) -> dict[str, Any]:
        """Return the record as a line."""
        return {
            "number": self.number,
            "jobs": self.jobs,
            "steps": round(self.steps, 3),
            "schedules": self.schedules,
            "hypervolume": self.hypervolume,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class GenerationCut:
    """A generation that a budget, or a wish to stop, cut short.

    Its number, the evaluations so far, and the seconds since the run began.
    """

    kind: ClassVar[str] = "cut"
    number: int
    jobs: int
    seconds: float

    def line(self) -> dict[str, Any]:
        """Return the record as a line."""
        return {"number": self.number, "jobs": self.jobs, "seconds": round(self.seconds, 3)}


Record = RunStarted | ScheduleWritten | JobEvaluated | GenerationEnded | GenerationCut


def parse_record(line: Mapping[str, Any]) -> Record:
    """Return the record of a line, without its version and checksum.

    Raises:
        CodecError: if it is none.
    """
    kind = sj.read_string(line.get("kind"), "kind")
    rest = {name: value for name, value in line.items() if name != "kind"}
    if kind not in _KINDS:
        raise CodecError(f"a line of kind {short(kind)}", f"one of {', '.join(_KINDS)}", "upgrade evocache")
    return _KINDS[kind](rest)


def _begun(line: dict[str, Any]) -> RunStarted:
    sj.check_keys(line, "the start", ["run"])
    run = sj.read_object(line["run"], "run")
    sj.read_integer(run.get("steps", 1), "run.steps", 1, MOST)
    settings = sj.read_object(run.get("settings", {}), "run.settings")
    sj.read_integer(settings.get("prompts", 1), "run.settings.prompts", 1, MOST)
    for name in ("prompts", "objectives", "seeds"):
        for text in sj.read_list(run.get(name, []), f"run.{name}"):
            sj.read_string(text, f"run.{name}")
    sj.read_string(run.get("judge", ""), "run.judge")
    return RunStarted(run)


def _written(line: dict[str, Any]) -> ScheduleWritten:
    sj.check_keys(line, "a schedule", ["digest", "cells", "origin"], ["steps"])
    digest, cells, origin = (sj.read_string(line[name], name) for name in ("digest", "cells", "origin"))
    steps = sj.read_integer(line["steps"], "steps", 1, MOST) if "steps" in line else None
    return ScheduleWritten(digest, cells, origin, steps)


def _evaluated(line: dict[str, Any]) -> JobEvaluated:
    required = ["key", "schedule", "prompts", "values", "steps", "seconds"]
    sj.check_keys(line, "an evaluation", required, ["storage", "turned", "failed"])
    values = sj.read_list(line["values"], "values")
    found = JobEvaluated(
        sj.read_string(line["schedule"], "schedule"),
        tuple(sj.read_integer(number, "prompts", 0, MOST) for number in sj.read_list(line["prompts"], "prompts")),
        tuple(math.inf if value is None else sj.read_number(value, "values") for value in values),
        tuple(sj.read_string(digest, "turned") for digest in sj.read_list(line.get("turned", []), "turned")),
        sj.read_string(line.get("storage", "none"), "storage"),
        sj.read_string(line.get("failed", ""), "failed"),
        _bounded(line["steps"], "steps", MOST),
        _bounded(line["seconds"], "seconds", MOST_SECONDS),
    )
    if len({*found.prompts}) != len(found.prompts) or not found.prompts:
        raise CodecError(f"prompts {found.prompts}", "the number of each prompt once", "restore the line")
    due = (1 + len(found.turned)) ** 2 if found.turned else len(found.prompts)
    if len(found.turned) > MOST_TURNS or len(values) != due:
        raise CodecError(f"{len(values)} values", f"the {due} of the evaluation", "restore the line")
    if bool(found.failed) == all(map(math.isfinite, found.values)):
        raise CodecError("values that are not finite without a reason, or a reason without", "both", "restore the line")
    if line["key"] != found.key:
        given = f"key {short(line['key'])}"
        raise CodecError(given, f"{found.key}, that of the schedule, prompts and turns", "restore the line")
    return found


def _ended(line: dict[str, Any]) -> GenerationEnded:
    sj.check_keys(line, "a generation", ["number", "jobs", "steps", "schedules", "hypervolume", "seconds"])
    return GenerationEnded(
        sj.read_integer(line["number"], "number", 0, MOST),
        sj.read_integer(line["jobs"], "jobs", 0, MOST),
        _bounded(line["steps"], "steps", 1e15),
        sj.read_integer(line["schedules"], "schedules", 0, MOST),
        sj.read_number(line["hypervolume"], "hypervolume"),
        _bounded(line["seconds"], "seconds", MOST_SECONDS),
    )


def _cut(line: dict[str, Any]) -> GenerationCut:
    sj.check_keys(line, "a cut", ["number", "jobs", "seconds"])
    number, jobs = (sj.read_integer(line[name], name, 0, MOST) for name in ("number", "jobs"))
    return GenerationCut(number, jobs, _bounded(line["seconds"], "seconds", MOST_SECONDS))


def _bounded(value: Any, where: str, most: float) -> float:
    found = sj.read_number(value, where)
    if not 0 <= found <= most:
        raise CodecError(f"{found:g} for {where}", f"a number from 0 to {most:g}", "restore the line")
    return found


_KINDS: Mapping[str, Callable[[dict[str, Any]], Record]] = {
    RunStarted.kind: _begun,
    ScheduleWritten.kind: _written,
    JobEvaluated.kind: _evaluated,
    GenerationEnded.kind: _ended,
    GenerationCut.kind: _cut,
}


def find_invalid(records: Sequence[Record]) -> int | None:
    """Return the number of the first record that does not follow from those before it, from 0; None if all do.

    The start comes first and once, a schedule before what names it, prompts are the run's, generations count up.
    """
    written: set[str] = set()
    prompts, ended = MOST, -1
    for number, found in enumerate(records):
        if isinstance(found, RunStarted) != (number == 0):
            return number
        if isinstance(found, RunStarted):
            prompts = found.run.get("settings", {}).get("prompts", MOST)
        elif isinstance(found, ScheduleWritten):
            written.add(found.digest)
        elif isinstance(found, JobEvaluated):
            if found.schedule not in written or max(found.prompts) >= prompts:
                return number
        elif isinstance(found, GenerationEnded):
            if found.number != ended + 1:
                return number
            ended = found.number
    return None
