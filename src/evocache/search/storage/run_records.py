"""What a run's journal says, by kind of record: the one reader of runs, reports and benchmarks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import Error, RunError
from ...schedule import Schedule, load
from .journal import JOURNAL, MODEL, read
from .journal_records import GenerationCut, GenerationEnded, JobEvaluated, Record, RunStarted, ScheduleWritten
from .packed_cells import unpack_record


@dataclass(frozen=True)
class RunRecords:
    """The records of a journal, each kind in the order in which it was written.

    Attributes:
        begun: what the run depends on.
        schedules: by digest.
        evaluations: what came of jobs.
        generations: that ended.
        cuts: generations that a budget, or a wish to stop, cut short.
    """

    begun: RunStarted = field(default_factory=lambda: RunStarted({}))
    schedules: Mapping[str, ScheduleWritten] = field(default_factory=dict)
    evaluations: tuple[JobEvaluated, ...] = ()
    generations: tuple[GenerationEnded, ...] = ()
    cuts: tuple[GenerationCut, ...] = ()

    @classmethod
    def of(cls, records: Sequence[Record]) -> RunRecords:
        """Return records by kind, as a journal has checked them; without records, those of a run that has not begun."""
        return cls(
            next((record for record in records if isinstance(record, RunStarted)), RunStarted({})),
            {record.digest: record for record in records if isinstance(record, ScheduleWritten)},
            tuple(record for record in records if isinstance(record, JobEvaluated)),
            tuple(record for record in records if isinstance(record, GenerationEnded)),
            tuple(record for record in records if isinstance(record, GenerationCut)),
        )

    @property
    def steps(self) -> int:
        """Steps of the uncached generation; 0 if the journal does not say."""
        return int(self.begun.run.get("steps", 0))

    @property
    def prompts(self) -> int:
        """How many prompts a schedule has to go through; 0 if the journal does not say."""
        return int(self.settings.get("prompts", 0))

    @property
    def judge(self) -> str:
        """Name of the quality; empty if the journal does not say."""
        return str(self.begun.run.get("judge", ""))

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the search, the name of its method among them."""
        settings: Mapping[str, Any] = self.begun.run.get("settings", {})
        return settings

    @property
    def answers(self) -> dict[str, tuple[float, ...]]:
        """Values of evaluations by the keys of their jobs."""
        return {record.key: record.values for record in self.evaluations}

    @property
    def failures(self) -> tuple[str, ...]:
        """The reason of each evaluation that failed."""
        return tuple(record.failed for record in self.evaluations if record.failed)

    @property
    def seconds(self) -> float:
        """How long the run has taken, as far as it was noted."""
        timed: Sequence[JobEvaluated | GenerationEnded | GenerationCut] = [
            *self.evaluations,
            *self.generations,
            *self.cuts,
        ]
        return max((record.seconds for record in timed), default=0.0)

    def complete(self) -> Iterator[tuple[str, str, dict[int, float]]]:
        """Yield digest, storage and errors by prompt of what has finite errors on all prompts."""
        errors: dict[tuple[str, str], dict[int, float]] = {}
        for record in self.evaluations:
            if not record.turned:
                pairs = zip(record.prompts, record.values, strict=True)
                finite = {prompt: value for prompt, value in pairs if math.isfinite(value)}
                errors.setdefault((record.schedule, record.storage), {}).update(finite)
        for (digest, storage), found in errors.items():
            if len(found) == self.prompts:
                yield digest, storage, found


def read_run(folder: Path) -> RunRecords:
    """Read the records in a run's folder, also while the run goes on.

    Raises:
        JournalError: if its journal is damaged.
        RunError: if there is none, or it is empty.
    """
    records = read(folder / JOURNAL)
    if not records:
        raise RunError(f"{str(folder)!r}, where nothing has been evaluated", "the folder of a run", "evolve first")
    return RunRecords.of(records)


def read_schedules(folder: Path, records: RunRecords, digests: Iterable[str] | None = None) -> dict[str, Schedule]:
    """Read schedules of a run's records, by digest: some, or all.

    Raises:
        RunError: if the uncached schedule beside the journal, or a schedule in it, is damaged.
    """
    if not records.schedules:
        return {}
    try:
        uncached = load(folder / MODEL)
    except Error as error:
        mend = "continue the run, which writes it again"
        raise RunError(f"{str(folder / MODEL)!r} ({error.given})", "the uncached schedule of the run", mend) from None
    wanted = dict.fromkeys(records.schedules if digests is None else digests)
    return {digest: unpack_record(records.schedules[digest], uncached) for digest in wanted}
