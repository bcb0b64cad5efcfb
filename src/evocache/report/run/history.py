"""How a run went, from its journal: generations, the schedules that were evaluated on all prompts, and failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...schedule import Schedule
from ...schedule.front import Front, Point
from ...schedule.front.front import front_of
from ...search.storage.journal_records import GenerationEnded
from ...search.storage.run_records import RunRecords, read_run, read_schedules


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
        judge: name of the quality; empty if the journal does not say.
    """

    run: Mapping[str, Any]
    generations: tuple[GenerationEnded, ...]
    points: tuple[Point, ...]
    steps: int
    evaluations: int = 0
    failures: tuple[str, ...] = ()
    judge: str = ""

    def front(self, seconds: Callable[[Schedule], float]) -> Front:
        """Return the points that no other beats in error and predicted `seconds`, fast to slow, no uncached one."""
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
    """Return the history in a run's folder, also while the run goes on.

    Raises:
        JournalError: if its journal is damaged.
        RunError: if there is no journal, or what it is read with is damaged.
    """
    records = read_run(folder)
    return History(
        records.begun.run,
        records.generations,
        tuple(_points(folder, records)),
        records.steps,
        len(records.evaluations),
        records.failures,
        records.judge,
    )


def _points(folder: Path, records: RunRecords) -> Iterator[Point]:
    """Schedules whose errors on all prompts are known and finite."""
    complete = list(records.complete())
    schedules = read_schedules(folder, records, [digest for digest, *_ in complete])
    for digest, storage, errors in complete:
        yield Point(schedules[digest], {"error": sum(errors.values()) / records.prompts}, storage=storage)
