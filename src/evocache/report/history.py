"""How a run went, from its journal: generations, and the schedules that were evaluated on all prompts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import Error, RunError
from ..schedule import Schedule, load
from ..schedule.front import Front, Point, front_of
from ..search.cells import unpack_line
from ..search.journal import JOURNAL, MODEL


@dataclass(frozen=True)
class Generation:
    """The end of a generation.

    Attributes:
        number: 0 after the seeds.
        steps: denoiser steps of one prompt spent so far.
        schedules: evaluated on all prompts so far.
        hypervolume: share of the box around the seeds that they dominate.
        seconds: since the run began.
    """

    number: int
    steps: float
    schedules: int
    hypervolume: float
    seconds: float


@dataclass(frozen=True)
class History:
    """What a journal tells.

    Attributes:
        run: what the run depends on: prompts, quality, objectives, settings.
        generations: in order.
        points: schedules evaluated on all prompts, with `error` as their objective; their numbers of steps may differ,
            and what features are stored in.
        steps: of the uncached generation; 0 if the journal does not say.
    """

    run: Mapping[str, Any]
    generations: tuple[Generation, ...]
    points: tuple[Point, ...]
    steps: int

    def front(self, seconds: Callable[[Schedule], float]) -> Front:
        """The points that no other beats in error and predicted `seconds`, fast to slow, without the uncached one."""
        some = [p for p in self.points if not (p.schedule.is_full and p.schedule.steps == self.steps)]
        points = [replace(p, objectives={**p.objectives, "seconds": seconds(p.schedule)}) for p in some]
        return Front(front_of(points, ("error", "seconds")).points, self.steps)


def read_history(folder: Path) -> History:
    """The history in a run's folder, also while the run goes on.

    Raises:
        RunError: if there is no journal, or it is damaged.
    """
    path = folder / JOURNAL
    lines = list(_lines(path))
    starts = [line for line in lines if line["kind"] == "start"]
    if not starts:
        raise RunError(f"{str(folder)!r}, where nothing has been evaluated", "the folder of a run", "evolve first")
    try:
        run = dict(starts[0]["run"])
        generations = {
            int(line["number"]): Generation(
                int(line["number"]),
                float(line["steps"]),
                int(line["schedules"]),
                float(line["hypervolume"]),
                float(line["seconds"]),
            )
            for line in lines
            if line["kind"] == "generation"
        }
        return History(run, tuple(generations.values()), tuple(_points(folder, run, lines)), int(run.get("steps", 0)))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{str(path)!r}, which is damaged ({error!r})", "a journal as a run writes it", "use another run"
        ) from None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The journal's whole lines; what a writer has not ended yet is not one."""
    try:
        data = path.read_bytes()
    except OSError:
        given = f"{str(path.parent)!r} without a journal"
        raise RunError(given, "the folder of a run", "name the folder that evolve wrote") from None
    for number, text in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if not isinstance(line, dict) or "kind" not in line:
            raise RunError(f"line {number} of {str(path)!r}", "a journal line", "use a run's own journal")
        yield line


def _points(folder: Path, run: Mapping[str, Any], lines: list[dict[str, Any]]) -> Iterator[Point]:
    """Schedules whose errors on all prompts are known and finite."""
    try:
        full = load(folder / MODEL)
    except Error:  # killed before its first line of substance
        return
    prompts = int(run["settings"]["prompts"])
    errors: dict[tuple[str, str], dict[int, float]] = {}
    cells: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line["kind"] == "schedule":
            cells[line["digest"]] = line
        elif line["kind"] == "eval" and not line["turns"]:
            finite = {p: v for p, v in zip(line["prompts"], line["values"], strict=True) if v is not None}
            errors.setdefault((line["schedule"], line.get("storage", "none")), {}).update(finite)
    for (digest, storage), found in errors.items():
        if len(found) == prompts and digest in cells:
            schedule = unpack_line(cells[digest], full)
            named = _named(schedule, cells[digest]["origin"])
            yield Point(named, {"error": sum(found.values()) / prompts}, storage=storage)


def _named(schedule: Schedule, origin: str) -> Schedule:
    return schedule.with_provenance(origin) if origin else schedule
