"""Start a process that writes, kill it at a random moment, and have another one look at what is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from .place import PATIENCE, Place, to_json

ROOT = Path(__file__).parents[3]

LONGEST = 2.5
"""Seconds after its start at which a process is killed at the latest."""


@dataclass
class Said:
    """Holds what a process said of a place before it was killed.

    Attributes:
        given: times of answers by number.
        answers: all answers before this number are said to be kept.
        records: all records before this number are said to be kept.
        failed: what ended the process, if it was not killed.
    """

    given: dict[int, float] = field(default_factory=dict)
    answers: int = 0
    records: int = 0
    failed: str = ""


@dataclass(frozen=True)
class Kill:
    """Says what a kill did to a place.

    Attributes:
        place: its name.
        said: numbers that were said to be kept, answers and records together.
        lost: numbers among them that are not there.
        given: answers that were given.
        oldest_answer: seconds between the oldest answer that is lost, though not said to be kept, and the kill.
        oldest_record: the same of records.
        wrong: what is not as it was written.
        litter: what was left behind.
        bytes: that the tier counts.
        file_bytes: of the disk tier's file.
    """

    place: str
    said: int
    lost: int
    given: int
    oldest_answer: float
    oldest_record: float
    wrong: list[str]
    litter: list[str]
    bytes: int
    file_bytes: int


def kill(places: list[Place], first: int, seed: str, *, wait: bool = False) -> tuple[list[Kill], int]:
    """Kill a process that writes to some places, look at them, and return what was found.

    Args:
        places: where it writes, in a thread each.
        first: number of its first question.
        seed: seeds what it does, and when it is killed.
        wait: whether it is let alone until it says that something is kept; else it may be killed as it opens a place.

    Returns:
        What was found in each place, and the number of the next question.

    Raises:
        RuntimeError: if the process ended before it was killed, or who looks afterwards failed.
    """
    said = {place.name: Said({}, first, first) for place in places}
    kept = threading.Event()
    with _start("writer", to_json(places), first, seed) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("the process that writes did not start")
            reader = threading.Thread(target=_read, args=(process.stdout, said, kept))
            reader.start()
            if wait:
                kept.wait(10 * PATIENCE)
            time.sleep(Random(seed).uniform(0.0, LONGEST))
        finally:
            killed = time.time()
            process.kill()
        reader.join()
    if failed := [f"{name}: {one.failed}" for name, one in said.items() if one.failed]:
        raise RuntimeError(f"the process that writes ended by itself: {'; '.join(failed)}")
    last = max(max(one.given, default=first) for one in said.values()) + 2  # one may be answered that is not said to be
    seen = look(places, range(first, last))
    return [compared(place, said[place.name], seen[place.name], first, killed) for place in places], last


def look(places: list[Place], numbers: range) -> dict[str, dict]:
    """Return what another process finds of some questions, by place (see `inspection.Seen`)."""
    with _start("inspection", to_json(places), numbers.start, numbers.stop) as process:
        assert process.stdout is not None
        found = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the process that looks afterwards ended with {process.returncode}")
    return json.loads(found)


def _start(program: str, *arguments: object) -> subprocess.Popen[str]:
    paths = [str(ROOT), *filter(None, sys.path)]
    command = [sys.executable, "-m", f"benchmarks.usage.faults.{program}", *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def _read(lines: Iterable[str], said: dict[str, Said], kept: threading.Event) -> None:
    """Note what a process says, until it is killed, and that something is kept; a line that has no end is none."""
    for line in lines:
        if not line.endswith("\n"):
            return
        name, what, rest = line.rstrip("\n").split(" ", 2)
        one = said[name]
        if what == "given":
            number, at = rest.split()
            one.given[int(number)] = float(at)
        elif what == "failed":
            one.failed = rest
        else:
            setattr(one, what, int(rest))
            kept.set()


def compared(place: Place, said: Said, seen: dict, first: int, killed: float) -> Kill:
    """Return what was said beside what was found. Where answers leave to make room, none is said to be lost."""
    answers, records = set(seen["answers"]), set(seen["records"])
    kept = [(range(first, said.records), records)]
    if not place.tight:
        kept.append((range(first, said.answers), answers))
    waited = [killed - at for number, at in said.given.items() if number not in answers and not place.tight]
    unrecorded = [killed - at for number, at in said.given.items() if number not in records]
    return Kill(
        place.name,
        sum(len(numbers) for numbers, _ in kept),
        sum(number not in found for numbers, found in kept for number in numbers),
        len(said.given),
        max(waited, default=0.0),
        max(unrecorded, default=0.0),
        seen["wrong"],
        seen["litter"],
        seen["bytes"],
        seen["file_bytes"],
    )
