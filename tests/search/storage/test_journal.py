"""The journal: torn lines, second openers, full disks, and runs that are killed at any moment."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evocache.errors import IdentityError, JournalError, RunError
from evocache.schedule.front.front import Front
from evocache.search.genome.memory_genes import Design
from evocache.search.optimise.job import Failure
from evocache.search.optimise.settings import Settings
from evocache.search.optimise.state import State
from evocache.search.run import LEAST, Run
from evocache.search.storage.journal import JOURNAL, Journal, read
from evocache.search.storage.journal_records import (
    GenerationCut,
    GenerationEnded,
    JobEvaluated,
    Record,
    RunStarted,
    ScheduleWritten,
)
from tests.search.crews import Counting
from tests.search.optimise.test_evolution import SEEDS, SPACE, answer, price

ONE = ScheduleWritten("abc", "cells", "fora:2")
SCORED = JobEvaluated("abc", (0, 1), (0.5, 1.5), steps=3.25, seconds=1.5)
FAILED = JobEvaluated("abc", (1, 0), (math.inf, math.inf), storage="int8", failed="GenerationError: nothing")
TURNED = JobEvaluated("abc", (1,), (1.0, 2.0, 3.0, 4.0), turned=("def",))
WHOLE = [
    RunStarted({"a": 1, "settings": {"prompts": 2}}),
    ONE,
    SCORED,
    FAILED,
    TURNED,
    GenerationEnded(0, 3, 3.25, 1, 0.5, 2.0),
]


def write(path: Path, records: Sequence[Record]) -> bytes:
    with Journal(path) as journal:
        for record in records:
            journal.append(record)
    return path.read_bytes()


def test_records_come_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, [*WHOLE, GenerationCut(1, 4, 3.0)])
    assert read(path) == (*WHOLE, GenerationCut(1, 4, 3.0))
    with Journal(path) as journal:
        assert journal.records == read(path)
    assert all(json.loads(line)["sum"] for line in path.read_text().splitlines())


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = write(path, WHOLE[:3])
    start = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(len(whole) - 1, start, -7):
        path.write_bytes(whole[:cut])
        assert len(read(path)) == 2
        assert path.read_bytes() == whole[:cut]
        write(path, [SCORED])
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "text",
    ["nonsense\n", "[1]\n", '{"v": 99, "kind": "start"}\n', "[" * 5000 + "\n", "no line at all", '{"va'],
)
def test_what_is_no_journal_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(text)
    with pytest.raises(JournalError, match="line 1"):
        Journal(path)
    assert path.read_text() == text


def test_a_journal_of_an_earlier_version_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"v": 1, "kind": "start", "run": {"steps": 6}}\n')
    for opened in (Journal, read):
        with pytest.raises(JournalError, match=r"version 1, which did not say what it was evaluated on.*--start"):
            opened(path)


def test_what_no_writer_can_have_left_at_the_end_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = write(path, WHOLE[:1])
    path.write_bytes(whole + b"notes of mine")
    with pytest.raises(JournalError, match="line 2"):
        Journal(path)
    assert path.read_bytes() == whole + b"notes of mine"
    path.write_bytes(whole + b"\0" * 100)  # what a power failure may leave
    Journal(path).close()
    assert path.read_bytes() == whole


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = write(path, WHOLE)
    rng = np.random.default_rng(0)
    places = [i for i, byte in enumerate(whole) if byte != 10]
    for place in rng.choice(places, 150, replace=False):
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 128))
        path.write_bytes(changed)
        with pytest.raises(JournalError, match=rf"line {whole[:place].count(10) + 1} of"):
            read(path)


def test_lines_that_are_missing_moved_or_written_twice_are_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    lines = write(path, WHOLE).splitlines(keepends=True)
    for wrong, number in (
        ([*lines[:2], *lines[3:]], 3),
        ([*lines[:3], lines[2], *lines[3:]], 4),
        ([*lines[:2], lines[3], lines[2], *lines[4:]], 3),
        (lines[1:], 1),
    ):
        path.write_bytes(b"".join(wrong))
        with pytest.raises(JournalError, match=f"line {number} of"):
            read(path)


def signed(lines: Iterable[dict[str, object]]) -> bytes:
    """Lines with checksums that are right, whatever they say."""
    out, sum_ = b"", 0
    for line in lines:
        text = json.dumps(line).encode()[:-1]
        sum_ = zlib.crc32(text, sum_)
        out += text + f', "sum": "{sum_:08x}"}}\n'.encode()
    return out


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (3, {"values": [1.0]}),
        (3, {"values": None}),
        (3, {"values": ["much"] * 2}),
        (3, {"values": [1.0, None]}),
        (3, {"values": [math.nan, 1.0]}),
        (3, {"failed": "for no reason"}),
        (4, {"failed": ""}),
        (3, {"prompts": None}),
        (3, {"prompts": "ab"}),
        (3, {"prompts": [0, 2]}),
        (3, {"prompts": [0, 0]}),
        (3, {"prompts": [True, 0]}),
        (3, {"seconds": "long"}),
        (3, {"seconds": 1e18}),
        (3, {"seconds": -1.0}),
        (3, {"key": "0" * 16}),
        (3, {"key": [1]}),
        (3, {"storage": "int8"}),
        (3, {"schedule": "xyz"}),
        (3, {"more": 1}),
        (3, {"kind": "evil"}),
        (3, {"kind": ["eval"]}),
        (5, {"turned": []}),
        (5, {"turned": [1]}),
        (2, {"cells": 5}),
        (2, {"steps": True}),
        (2, {"origin": 5}),
        (1, {"run": 7}),
        (1, {"run": {"settings": 7}}),
        (1, {"run": {"steps": "x"}}),
        (1, {"run": {"prompts": 3}}),
        (1, {"kind": "schedule", "digest": "a", "cells": "", "origin": ""}),
        (6, {"number": math.inf}),
        (6, {"number": 1}),
        (6, {"seconds": -1e9}),
        (6, {"hypervolume": None}),
    ],
)
def test_a_line_that_makes_no_sense_is_told_even_if_its_checksum_is_right(
    tmp_path: Path, number: int, changes: dict[str, object]
) -> None:
    path = tmp_path / "journal.jsonl"
    lines = [json.loads(text) for text in write(path, WHOLE).splitlines()]
    for line in lines:
        del line["sum"]
    path.write_bytes(signed(lines))
    assert read(path) == tuple(WHOLE)
    lines[number - 1] |= changes
    path.write_bytes(signed(lines))
    for opened in (read, Journal):
        with pytest.raises(JournalError, match=f"line {number} of"):
            opened(path)


def test_a_second_opener_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path):
        code = (
            f"from evocache.search.storage.journal import Journal\nimport pathlib\nJournal(pathlib.Path({str(path)!r}))"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "in use by another process" in found.stderr
    Journal(path).close()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    write_ = os.write

    def full(file: int, data: bytes) -> int:
        write_(file, data[:5])
        raise OSError(28, "No space left on device")

    with Journal(path) as journal:
        journal.append(WHOLE[0])
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(RunError, match="no space left"):
            journal.append(ONE)
        monkeypatch.undo()
        journal.append(ONE)
    assert read(path) == (WHOLE[0], ONE)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="journal"):
        Journal(tmp_path / "missing" / "journal.jsonl")


SETTINGS = Settings(population=10, offspring=6, generations=4, prompts=4, rungs=(2,))


def run(folder: Path, evaluator: Counting, settings: Settings = SETTINGS) -> Run:
    folder.mkdir(exist_ok=True)
    return Run(folder, SPACE, SEEDS, settings, price, evaluator)


@pytest.mark.parametrize("after", [0, 3, 60, 85, 100])
def test_a_killed_run_goes_on_to_the_same_front(tmp_path: Path, after: int) -> None:
    whole = Counting()
    expected = run(tmp_path / "whole", whole).evolve()
    assert whole.jobs > 100
    broken = Counting(die_after=after)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", broken).evolve()
    file = tmp_path / "broken" / "journal.jsonl"
    file.write_bytes(file.read_bytes() + b'{"v": 2, "kind": "ev')  # killed in the middle of a line
    rest = Counting()
    front = run(tmp_path / "broken", rest).evolve()
    assert [p.schedule.digest for p in front] == [p.schedule.digest for p in expected]
    assert [dict(p.objectives) for p in front] == [dict(p.objectives) for p in expected]
    assert broken.jobs + rest.jobs == whole.jobs  # nothing was evaluated twice


class Timed(Counting):
    """Evaluates as long as there is time for more; each job takes a second of a clock of its own."""

    def evaluate(self, jobs, more=None):
        for number, job in enumerate(jobs):
            if not more():
                return
            self.jobs += 1
            yield number, answer(job, "")


def timed(folder: Path, seconds: float) -> tuple[Run, Timed, list[State]]:
    """A run whose budget is a number of jobs, its evaluator, and the states that it is told."""
    evaluator, states = Timed(), []
    made = replace(run(folder, evaluator), budget_seconds=seconds, clock=lambda: float(evaluator.jobs))
    return made, evaluator, states


def points(front: Front) -> list[tuple[str, dict[str, float]]]:
    return [(p.schedule.digest, dict(p.objectives)) for p in front]


@pytest.mark.parametrize("seconds", [0, 12, len(SEEDS) + 3, 75, 90])
def test_a_run_ends_with_its_budget_and_goes_on_where_it_was_cut_short(tmp_path: Path, seconds: int) -> None:
    """Of seeds on two prompts, of those on all, in the first generations."""
    expected = points(run(tmp_path / "whole", Counting()).evolve())
    short, evaluator, states = timed(tmp_path / "short", seconds)
    front = short.evolve(lambda progress: states.append(progress.state))
    assert evaluator.jobs == max(seconds, LEAST)
    assert len(front)
    assert all(np.isfinite(list(p.objectives.values())).all() for p in front)
    assert [state.cut for state in states] == [False] * (len(states) - 1) + [True]
    assert states[-1].jobs == evaluator.jobs
    before = (tmp_path / "short" / JOURNAL).read_bytes()
    assert json.loads(before.splitlines()[-1])["kind"] == "cut"

    again, evaluator, _ = timed(tmp_path / "short", seconds)  # the same budget is spent: nothing new, the same front
    assert points(again.evolve()) == points(front)
    assert evaluator.jobs == 0
    assert (tmp_path / "short" / JOURNAL).read_bytes() == before
    rest, evaluator, _ = timed(tmp_path / "short", 1e6)
    assert points(rest.evolve()) == expected


def asked_to_stop(after: int) -> Callable[[int, int], bool]:
    """A `watch` that asks to stop, once, when so many jobs have been answered."""
    answers = iter(range(10_000))
    return lambda answered, jobs: answered > 0 and next(answers) + 1 == after


@pytest.mark.parametrize("after", [1, 5, len(SEEDS), len(SEEDS) + 3, 75])
def test_a_run_that_is_stopped_begins_no_other_job_and_goes_on_where_it_was(tmp_path: Path, after: int) -> None:
    """Among the seeds on two prompts, at the end of these, on all prompts, in the first generation."""
    expected = points(run(tmp_path / "whole", Counting()).evolve())
    short, evaluator, states = timed(tmp_path / "short", 1e6)
    front = replace(short, watch=asked_to_stop(after)).evolve(lambda progress: states.append(progress.state))
    assert evaluator.jobs == after
    assert len(front)
    assert states[-1].cut
    assert states[-1].jobs == after
    records = read(tmp_path / "short" / JOURNAL)
    assert sum(isinstance(record, JobEvaluated) for record in records) == after
    assert isinstance(records[-1], GenerationCut)
    rest, evaluator, _ = timed(tmp_path / "short", 1e6)
    assert points(rest.evolve()) == expected


def test_a_run_that_is_stopped_waits_for_one_schedule_that_does_not_fail(tmp_path: Path) -> None:
    class Failing(Timed):
        """The first three jobs fail."""

        def evaluate(self, jobs, more=None):
            for number, found in super().evaluate(jobs, more):
                yield number, Failure("no reason") if self.jobs <= 3 else found

    evaluator = Failing()
    front = replace(run(tmp_path, evaluator), watch=asked_to_stop(1)).evolve()
    assert evaluator.jobs == 4
    assert len(front) == 1


def test_what_is_started_from_is_evaluated_whatever_the_budget(tmp_path: Path) -> None:
    """More designs than even the shortest budget waits for; a budget that is over lets nothing else begin."""
    start = [Design(seed) for seed in SEEDS[-LEAST - 4 :]]
    short, evaluator, states = timed(tmp_path / "short", 0)
    front = replace(short, start=start).evolve(lambda progress: states.append(progress.state))
    assert evaluator.jobs == len(start)
    assert {point.schedule for point in front} <= {design.schedule for design in start}
    assert [(state.cut, len(state.points)) for state in states] == [(True, len(start))]
    with pytest.raises(IdentityError, match="start is"):
        timed(tmp_path / "short", 0)[0].evolve()
    broken, rest = Counting(die_after=70), Counting()
    with pytest.raises(KeyboardInterrupt):
        replace(run(tmp_path / "broken", broken), start=start).evolve()
    expected = replace(run(tmp_path / "whole", Counting()), start=start).evolve()
    assert points(replace(run(tmp_path / "broken", rest), start=start).evolve()) == points(expected)


def test_what_was_evaluated_before_a_cut_is_used(tmp_path: Path) -> None:
    """Seeds that were seen by two prompts of four are held against each other by these two."""
    short, _, _ = timed(tmp_path / "few", 12)
    first = short.evolve()
    lines = [json.loads(line) for line in (tmp_path / "few" / JOURNAL).read_text().splitlines()]
    means = {line["schedule"]: sum(line["values"]) / 2 for line in lines if line["kind"] == "eval"}
    assert len(means) == 12
    assert all(point.objectives["error"] == means[point.schedule.digest] for point in first)


def test_a_finished_run_evaluates_nothing_again(tmp_path: Path) -> None:
    first = run(tmp_path / "run", Counting()).evolve()
    again = Counting()
    second = run(tmp_path / "run", again).evolve()
    assert again.jobs == 0
    assert [p.schedule.digest for p in first] == [p.schedule.digest for p in second]


def test_a_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "run", Counting()).evolve()
    before = (tmp_path / "run" / "journal.jsonl").read_text()
    other = Settings(population=10, offspring=6, generations=4, prompts=4, rungs=(2,), seed=9)
    with pytest.raises(IdentityError, match=r"settings\.seed is 9, was 0"):
        run(tmp_path / "run", Counting(), other).evolve()
    assert (tmp_path / "run" / "journal.jsonl").read_text() == before
    assert json.loads(before.splitlines()[0])["kind"] == "start"
