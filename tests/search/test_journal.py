"""The journal: torn lines, second openers, full disks, and runs that are killed at any moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evocache.errors import RunError
from evocache.schedule.front import Front
from evocache.search.evolution import Settings, State
from evocache.search.journal import JOURNAL, Journal
from evocache.search.run import LEAST, Run
from tests.search.test_evolution import SEEDS, SPACE, answer, price


def test_lines_come_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append("start", a=1)
        journal.append("eval", errors=[0.5, None])
    with Journal(path) as journal:
        assert [line["kind"] for line in journal.lines] == ["start", "eval"]
        assert journal.lines[1]["errors"] == [0.5, None]


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append("start")
        journal.append("eval", errors=[1.0])
    whole = path.read_bytes()
    for cut in range(len(whole) - 1, whole.index(b"\n"), -7):
        path.write_bytes(whole[:cut])
        with Journal(path) as journal:
            assert len(journal.lines) == 1
            journal.append("eval", errors=[2.0])
        assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    "text",
    ["nonsense\n", "[1]\n", '{"v": 99, "kind": "start"}\n', "[" * 5000 + "\n", "no line at all", '{"va'],
)
def test_what_is_no_journal_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(text)
    with pytest.raises(RunError, match="line 1"):
        Journal(path)
    assert path.read_text() == text


def test_what_no_writer_can_have_left_at_the_end_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append("start")
    whole = path.read_bytes()
    path.write_bytes(whole + b"notes of mine")
    with pytest.raises(RunError, match="line 2"):
        Journal(path)
    assert path.read_bytes() == whole + b"notes of mine"
    path.write_bytes(whole + b"\0" * 100)  # what a power failure may leave
    Journal(path).close()
    assert path.read_bytes() == whole


def test_a_second_opener_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path):
        code = f"from evocache.search.journal import Journal\nfrom pathlib import Path\nJournal(Path({str(path)!r}))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "in use by another process" in found.stderr
    Journal(path).close()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    write = os.write

    def full(file: int, data: bytes) -> int:
        write(file, data[:5])
        raise OSError(28, "No space left on device")

    with Journal(path) as journal:
        journal.append("start")
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(RunError, match="no space left"):
            journal.append("eval", errors=[1.0])
        monkeypatch.undo()
        journal.append("eval", errors=[2.0])
    with Journal(path) as journal:
        assert [line.get("errors") for line in journal.lines] == [None, [2.0]]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="journal"):
        Journal(tmp_path / "missing" / "journal.jsonl")


class Counting:
    """Evaluates jobs, and can be told to die in the middle."""

    def __init__(self, die_after: int | None = None) -> None:
        self.jobs = 0
        self.die_after = die_after

    def evaluate(self, jobs, more=None):
        for number, job in enumerate(jobs):
            if self.jobs == self.die_after:
                raise KeyboardInterrupt
            self.jobs += 1
            yield number, answer(job, "")


SETTINGS = Settings(population=10, offspring=6, generations=4, prompts=4, rungs=(2,))


def run(folder: Path, evaluator: Counting, settings: Settings = SETTINGS) -> Run:
    folder.mkdir(exist_ok=True)
    return Run(folder, SPACE, SEEDS, settings, price, evaluator)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has ended."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder, Counting()).evolve()
    return folder


@pytest.mark.parametrize("after", [0, 3, 60, 85, 100])
def test_a_killed_run_goes_on_to_the_same_front(tmp_path: Path, after: int) -> None:
    whole = Counting()
    expected = run(tmp_path / "whole", whole).evolve()
    assert whole.jobs > 100
    broken = Counting(die_after=after)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", broken).evolve()
    file = tmp_path / "broken" / "journal.jsonl"
    file.write_bytes(file.read_bytes() + b'{"v": 1, "kind": "ev')  # killed in the middle of a line
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


@pytest.mark.parametrize(
    "changes",
    [{"values": [1.0]}, {"values": None}, {"values": ["much"] * 2}, {"prompts": None}, {"seconds": "long"}],
)
def test_a_line_that_makes_no_sense_is_told(finished: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    file = tmp_path / "run" / "journal.jsonl"
    lines = [json.loads(text) for text in (finished / "journal.jsonl").read_text().splitlines()]
    number = [line["kind"] for line in lines].index("eval")
    lines[number] |= changes
    file.parent.mkdir()
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(RunError, match=f"line {number + 1} of"):
        run(tmp_path / "run", Counting()).evolve()


def test_a_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "run", Counting()).evolve()
    before = (tmp_path / "run" / "journal.jsonl").read_text()
    other = Settings(population=10, offspring=6, generations=4, prompts=4, rungs=(2,), seed=9)
    with pytest.raises(RunError, match="settings"):
        run(tmp_path / "run", Counting(), other).evolve()
    assert (tmp_path / "run" / "journal.jsonl").read_text() == before
    assert json.loads(before.splitlines()[0])["kind"] == "start"
