"""Four quarters of the wide tables are everything, and every run has the first row of each family."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest

from tests import matrix, pipelines, tiny
from tests.rotation import QUARTERS, Place, chosen, quarter_of_commit

pytest_plugins = ["pytester"]

TABLE = """
import pytest
import zlib

ROWS = [f"row{i}" for i in range(20)]

@pytest.fixture(params=[*ROWS[::2], *ROWS[1::2]], scope="module")
def one(request):
    return request.param

@pytest.mark.table("one", family=lambda row: zlib.crc32(row[::-1].encode()) % 3)
@pytest.mark.parametrize("turn", [1, 2])
def test_wide(one, turn):
    pass

@pytest.mark.parametrize("row", ROWS)
def test_narrow(row):
    pass
"""
WIDE, NARROW = 40, 20


def places(rows, family_of):
    return [Place("test", family_of[row], row, number) for number, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("rows", "family_of"),
    [
        (list(matrix.RECIPES), matrix.FAMILY_OF),
        ([row.name for row in pipelines.ROWS], pipelines.FAMILY_OF),
        (list(tiny.FAMILIES), tiny.FAMILY_OF),
    ],
    ids=["matrix", "pipelines", "tiny"],
)
def test_quarters_and_first_rows_are_everything(rows, family_of):
    table = [*places(rows, family_of), None]
    runs = [chosen(table, quarter) for quarter in range(QUARTERS)]
    times = [sum(took) for took in zip(*runs, strict=True)]
    assert times.pop() == QUARTERS  # what stands in no table
    first = {family: row for row, family in reversed(family_of.items())}
    assert dict(zip(rows, times, strict=True)) == {row: QUARTERS if row in first.values() else 1 for row in rows}
    assert all(sum(run) < 3 / 4 * len(rows) for run in runs)


def test_rows_are_chosen_by_name_whatever_else_is_there():
    rows = [f"row{i}" for i in range(40)]
    family_of = dict.fromkeys(rows, "one")
    taken = dict(zip(rows, chosen(places(rows, family_of), 1), strict=True))
    fewer = [row for row in rows if row not in ("row7", "row8")]
    assert chosen(places(fewer, family_of), 1) == [taken[row] for row in fewer]
    turned = [places(rows, family_of)[number] for number in (*range(5, 40), *range(5))]
    assert chosen(turned, 1) == [taken[place.row] for place in turned]


@pytest.fixture
def suite(pytester, monkeypatch):
    """A small suite, run in this process with the plugin and nothing of this repository's."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\ntestpaths = tests\n")
    folder = pytester.mkdir("tests")
    (folder / "test_some.py").write_text(TABLE)
    (folder / "test_other.py").write_text("def test_other():\n    pass\n")

    def run(*args):
        result = pytester.inline_run("-p", "tests.rotation", "-p", "no:cacheprovider", *args)
        assert result.ret == 0
        return {report.nodeid for report in result.getreports("pytest_runtest_logreport") if report.when == "call"}

    return run


def test_runs_of_four_quarters_are_the_run_of_all(suite):
    everything = suite("--all")
    assert len(everything) == WIDE + NARROW + 1
    quarters = [suite("--quarter", str(number)) for number in range(QUARTERS)]
    assert set.union(*quarters) == everything
    times = Counter(id for quarter in quarters for id in quarter)
    assert Counter(times.values()) == {1: WIDE - 2 * 3, QUARTERS: NARROW + 1 + 2 * 3}
    assert suite() == quarters[0]  # no commit
    assert suite("tests") == quarters[0]


@pytest.mark.parametrize(
    ("args", "count"),
    [
        (("tests/test_some.py",), WIDE + NARROW),
        (("tests/test_some.py::test_wide",), WIDE),
        (("-k", "wide"), WIDE),
        (("tests", "-k", "not narrow"), WIDE + 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_asked_for_by_name_is_run_whole(suite, args, count):
    assert len(suite(*args)) == count
    assert len(suite(*args, "--quarter", "1")) < count


def test_it_is_said_what_was_left(pytester, suite):
    suite()
    result = pytester.runpytest_inprocess("-p", "tests.rotation", "-p", "no:cacheprovider")
    left = result.parseoutcomes()["deselected"]
    result.stdout.fnmatch_lines(["wide tables: * quarter 0 of 4 *", f"{left} items were left to other quarters*"])
    assert "wide tables" not in pytester.runpytest_inprocess("-p", "tests.rotation", "--all").stdout.str()


def test_the_commit_says_which_quarter(tmp_path):
    assert quarter_of_commit(tmp_path / "nowhere") == (0, "")
    name = ["-c", "user.name=a", "-c", "user.email=a@b"]

    def git(*args):
        return subprocess.run(["git", "-C", str(tmp_path), *name, *args], capture_output=True, text=True, check=True)

    git("init", "-q")
    assert quarter_of_commit(tmp_path) == (0, "")
    git("commit", "-q", "--allow-empty", "-m", "one")
    commit = git("rev-parse", "HEAD").stdout
    assert quarter_of_commit(tmp_path) == (int(commit[:8], 16) % 4, commit[:8])
