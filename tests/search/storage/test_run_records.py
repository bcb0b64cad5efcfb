"""A journal's records by kind: what a run goes on from, and what reports show."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from evocache.errors import RunError
from evocache.search.run import JOURNAL
from evocache.search.storage.journal_records import (
    GenerationCut,
    GenerationEnded,
    JobEvaluated,
    Record,
    RunStarted,
    ScheduleWritten,
)
from evocache.search.storage.run_records import RunRecords, read_run, read_schedules
from tests.search.crews import Counting
from tests.search.test_kept_journal import KEPT, answer, kept

RECORDS: list[Record] = [
    RunStarted({"steps": 6, "judge": "psnr", "settings": {"prompts": 2}}),
    ScheduleWritten("a", "cells"),
    JobEvaluated("a", (0,), (1.0,), seconds=2.0),
    ScheduleWritten("b", "cells"),
    JobEvaluated("b", (1, 0), (math.inf, 3.0), failed="no figure", seconds=3.0),
    JobEvaluated("a", (0, 1), (0.0,) * 4, turned=("c",), seconds=4.0),
    JobEvaluated("a", (1,), (2.0,), seconds=5.0),
    JobEvaluated("a", (0, 1), (7.0, 8.0), storage="int8", seconds=6.0),
    GenerationEnded(0, 4, 10.0, 1, 0.5, 7.0),
    GenerationCut(1, 4, 9.0),
]


def test_records_are_told_apart_by_kind_in_their_order() -> None:
    found = RunRecords.of(RECORDS)
    assert (found.steps, found.prompts, found.judge) == (6, 2, "psnr")
    assert [*found.schedules] == ["a", "b"]
    assert len(found.evaluations) == len(found.answers) == 5
    assert found.answers[RECORDS[2].key] == (1.0,)  # type: ignore[union-attr]
    assert [ended.number for ended in found.generations] == [0]
    assert [cut.number for cut in found.cuts] == [1]
    assert found.failures == ("no figure",)
    assert found.seconds == 9.0


def test_complete_is_what_has_finite_errors_on_all_prompts() -> None:
    assert [*RunRecords.of(RECORDS).complete()] == [("a", "none", {0: 1.0, 1: 2.0}), ("a", "int8", {0: 7.0, 1: 8.0})]


def test_a_run_that_has_not_begun_has_nothing() -> None:
    found = RunRecords.of([])
    assert (found.steps, found.prompts, found.judge, found.seconds, found.answers) == (0, 0, "", 0.0, {})
    assert [*found.complete()] == []


def test_the_records_of_a_folder_and_their_schedules(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="without a journal"):
        read_run(tmp_path)
    (tmp_path / JOURNAL).touch()
    with pytest.raises(RunError, match="evolve first"):
        read_run(tmp_path)
    shutil.copy(KEPT, tmp_path / JOURNAL)
    with pytest.raises(RunError, match="continue the run"):
        read_schedules(tmp_path, read_run(tmp_path))
    front = kept(tmp_path, Counting(answer)).evolve()
    records = read_run(tmp_path)
    schedules = read_schedules(tmp_path, records)
    assert all(schedule.digest == digest for digest, schedule in schedules.items())
    complete = {digest: sum(errors.values()) / 3 for digest, _, errors in records.complete()}
    for point in front:
        assert complete[point.schedule.digest] == pytest.approx(point.objectives["error"])
        assert schedules[point.schedule.digest] == point.schedule
