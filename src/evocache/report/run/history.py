"""How a run went, from its journal: generations, the schedules that were evaluated on all prompts, and failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import Error, RunError
from ...schedule import Schedule, load
from ...schedule.front import Front, Point
from ...schedule.front.front import front_of
from ...search.storage.journal import JOURNAL, MODEL, read
from ...search.storage.journal_records import Begun, Ended, Evaluated, Record, Written
from ...search.storage.packed_cells import unpack_record


@dataclass(frozen=True)
class History:
    """What a journal tells.

    Attributes:
        run: what the run depends on: prompts, quality, objectives, settings.
        generations: in order.
        points: schedules evaluated on all prompts, with `error` as their objective; their numbers of steps may differ,
            and what features are stored in.
        steps: of the uncached generation; 0 if the journal does not say.
        evaluations: number of all.
        failures: the reason of each that failed.
    """

    run: Mapping[str, Any]
    generations: tuple[Ended, ...]
    points: tuple[Point, ...]
    steps: int
    evaluations: int = 0
    failures: tuple[str, ...] = ()

    def front(self, seconds: Callable[[Schedule], float]) -> Front:
        """The points that no other beats in error and predicted `seconds`, fast to slow, without the uncached one."""
        some = [p for p in self.points if not (p.schedule.is_full and p.schedule.steps == self.steps)]
        points = [replace(p, objectives={**p.objectives, "seconds": seconds(p.schedule)}) for p in some]
        return Front(front_of(points, ("error", "seconds")).points, self.steps)

    @property
    def failed(self) -> str:
        """How many evaluations failed, and why, in a sentence; empty if none did."""
        if not self.failures:
            return ""
        first, *more = Counter(self.failures).most_common()
        others = f", and {len(more)} other reasons" if len(more) > 1 else f", and {more[0][0]}" if more else ""
        return f"{len(self.failures)} of {self.evaluations} evaluations failed: {first[0]}{others}"


def read_history(folder: Path) -> History:
    """The history in a run's folder, also while the run goes on.

    Raises:
        JournalError: if its journal is damaged.
        RunError: if there is no journal, or what it is read with is damaged.
    """
    records = read(folder / JOURNAL)
    if not records:
        raise RunError(f"{str(folder)!r}, where nothing has been evaluated", "the folder of a run", "evolve first")
    (begun, *_) = records
    assert isinstance(begun, Begun)  # as the reader has checked
    evaluated = [record for record in records if isinstance(record, Evaluated)]
    return History(
        begun.run,
        tuple(record for record in records if isinstance(record, Ended)),
        tuple(_points(folder, begun.run, records)),
        int(begun.run.get("steps", 0)),
        len(evaluated),
        tuple(record.failed for record in evaluated if record.failed),
    )


def _points(folder: Path, run: Mapping[str, Any], records: Sequence[Record]) -> Iterator[Point]:
    """Schedules whose errors on all prompts are known and finite."""
    written = {record.digest: record for record in records if isinstance(record, Written)}
    if not written:
        return
    try:
        full = load(folder / MODEL)
    except Error as error:
        mend = "continue the run, which writes it again"
        raise RunError(f"{str(folder / MODEL)!r} ({error.given})", "the uncached schedule of the run", mend) from None
    prompts = int(run.get("settings", {}).get("prompts", 0))
    errors: dict[tuple[str, str], dict[int, float]] = {}
    for record in records:
        if isinstance(record, Evaluated) and not record.turned:
            finite = {p: v for p, v in zip(record.prompts, record.values, strict=True) if math.isfinite(v)}
            errors.setdefault((record.schedule, record.storage), {}).update(finite)
    for (digest, storage), found in errors.items():
        if len(found) == prompts:
            schedule = unpack_record(written[digest], full)
            yield Point(schedule, {"error": sum(found.values()) / prompts}, storage=storage)
