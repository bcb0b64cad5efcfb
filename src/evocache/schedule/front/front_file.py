"""The points of a `front.json`, as a run writes it: schedules with what was searched for and measured."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...errors import RunError, ScheduleError, short
from ..io import strict_json as sj
from ..io.json import Trees, count_cells, dumps, from_document
from ..schedule import Schedule
from ..size_limits import MAX_CELLS, MAX_STEPS
from . import context
from .point import Point

FILE = "front.json"
FORMAT = "evocache.front"
VERSION = 3
PLAIN = 2
"""The version that is written where no point says anything of memory: earlier readers know it, and read it as we do."""

READ = (PLAIN, VERSION)
"""Versions that are read."""

MAX_BYTES = 1 << 60
"""Most bytes that a budget may be."""


def is_front(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder, which may be a run's, or the file of a front."""
    if os.path.isdir(path):
        return True
    if Path(path).suffix != ".json" or not os.path.isfile(path):  # which are False for what can be no path
        return False
    try:
        return sj.read(Path(path)).get("format") == FORMAT
    except ScheduleError:
        return False


def read_document(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the document of a run folder or a `front.json`; format, version and size of its schedules are checked.

    Raises:
        RunError: if there is none, it is of another version, or its schedules are none or too large.
    """
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not Path(path).exists():
        raise RunError(f"{os.fspath(path)!r}, which does not exist", "the folder of a run", "check the path")
    if not file.is_file():
        raise RunError(f"{os.fspath(path)!r} without a front", "a run that has ended", "evolve it to its end first")
    try:
        found = sj.parse(sj.read_text(file))
    except ScheduleError as error:
        raise RunError(f"{os.fspath(file)!r} ({error.given})", "a front.json", "evolve into a new folder") from None
    if found.get("format") != FORMAT or found.get("version") not in READ:
        version = f"version {short(found.get('version'))}" if found.get("format") == FORMAT else "something else"
        expected = f"a front of version {' or '.join(map(str, READ))}"
        raise RunError(f"{os.fspath(file)!r}, {version}", expected, "evolve into a new folder")
    try:
        _affordable(found)
    except ScheduleError as error:
        raise describe_damage(path, f"{error.given}, where {error.expected} is due") from None
    return found


def read_points(found: dict[str, Any], path: str | os.PathLike[str]) -> list[tuple[str, Point]]:
    """Read names and points of a document.

    Raises:
        RunError: if it is damaged.
    """
    read = Schedules()
    try:
        return [
            (
                sj.read_string(entry["name"], "name"),
                Point(
                    read(entry["schedule"]),
                    read_figures(entry["objectives"], "objectives"),
                    read_figures(entry["measured"], "measured"),
                    steps=sj.read_integer(entry["steps"], "steps", 1, MAX_STEPS) if "steps" in entry else None,
                    storage=sj.read_string(entry.get("storage", "none"), "storage"),
                    budget=sj.read_integer(entry["budget"], "budget", 1, MAX_BYTES) if "budget" in entry else None,
                    context=context.read_context(entry["context"]) if "context" in entry else None,
                ),
            )
            for entry in (sj.read_object(value, "points") for value in sj.read_list(found.get("points"), "points"))
        ]
    except KeyError as error:
        raise describe_damage(path, f"a point without {error}") from None
    except ScheduleError as error:
        raise describe_damage(path, f"{error.given}, where {error.expected} is due") from None


class Schedules:
    """Reads the schedules of one document: those of one model share its tree."""

    def __init__(self) -> None:
        self._trees: Trees = {}

    def __call__(self, value: Any) -> Schedule:
        """The schedule of a point or a baseline.

        Raises:
            ScheduleError: if it is none.
        """
        return from_document(sj.read_object(value, "schedule"), self._trees)


def _affordable(found: dict[str, Any]) -> None:
    """Count the cells of all schedules of a document before the first of them is made.

    Raises:
        ScheduleError: if there are more than a file may have, or the document is damaged.
    """
    baselines = sj.read_object(found.get("baselines", {}), "baselines")
    entries = [*sj.read_list(found.get("points"), "points"), *baselines.values()]
    held = [entry["schedule"] for entry in entries if isinstance(entry, dict) and "schedule" in entry]
    total = sum(count_cells(sj.read_object(schedule, "schedule")) for schedule in held)
    if total > MAX_CELLS:
        raise ScheduleError(f"{total} cells in {len(held)} schedules", f"at most {MAX_CELLS}", "evolve fewer points")


def as_json(name: str, point: Point) -> dict[str, Any]:
    """Return a point as `read_points` reads it."""
    return {
        "name": name,
        "schedule": json.loads(dumps(point.schedule)),
        "objectives": dict(point.objectives),
        "measured": dict(point.measured),
        **({} if point.steps is None else {"steps": point.steps}),
        **({} if point.storage == "none" else {"storage": point.storage}),
        **({} if point.budget is None else {"budget": point.budget}),
        **({} if point.context is None else {"context": dict(point.context)}),
    }


def choose_version(points: Iterable[Point]) -> int:
    """Return the version of a file that holds some points: no later than it takes."""
    return PLAIN if all(point.storage == "none" and point.budget is None for point in points) else VERSION


def read_figures(value: Any, where: str) -> dict[str, float]:
    """Read numbers by name."""
    return {name: sj.read_number(number, f"{where}.{name}") for name, number in sj.read_object(value, where).items()}


def describe_damage(path: str | os.PathLike[str], why: str) -> RunError:
    """Return the error for a file that is not as a run writes it."""
    return RunError(f"{os.fspath(path)!r}, which is damaged ({why})", "a front as a run writes it", "evolve again")
