"""Which rows of wide tables a run takes: the first row of each family, and of the others the commit's quarter.

A table is a test that is parametrised over many rows alike: every denoiser class, every pipeline. It says so itself:

    @pytest.mark.table("row", family=family_of)

names the argument whose values are the rows, and a function that tells the family of a row. All items of a row stay
together. The quarters are told apart by a hash of the row's name, so that a new row moves no other. Four quarters and
the first rows are everything. A run of all tests takes one quarter; `--all` takes all of them, `--quarter N` the one
that is named. A run that was asked for less (a folder, a file, `-k`, `--lf`) takes all rows of what it was asked for.
"""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

QUARTERS = 4
LEFT = "left to other quarters"


class Place(NamedTuple):
    """Where an item stands: its table, the family of its row, the row, and the row's number in the table."""

    table: str
    family: str
    row: str
    number: int


def quarter_of_row(row: str) -> int:
    """The quarter of a row that is not the first of its family."""
    return zlib.crc32(row.encode()) % QUARTERS


def quarter_of_commit(root: Path) -> tuple[int, str]:
    """The quarter whose turn it is, and the commit that says so; the first one where there is no commit."""
    try:
        asked = ["git", "-C", str(root), "rev-parse", "HEAD"]
        commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        return int(commit[:8], 16) % QUARTERS, commit[:8]
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0, ""


def chosen(places: Iterable[Place | None], quarter: int) -> list[bool]:
    """Whether each item is taken: it stands in no table, or is of a first row, or of the quarter."""
    places = list(places)
    first: dict[tuple[str, str], Place] = {}
    for place in filter(None, places):
        key = place.table, place.family
        first[key] = min(first.get(key, place), place, key=lambda p: p.number)
    return [
        place is None or place.row == first[place.table, place.family].row or quarter_of_row(place.row) == quarter
        for place in places
    ]


def place_of(item: pytest.Item) -> Place | None:
    """Where an item stands, if its test is a table."""
    mark = item.get_closest_marker("table")
    call = getattr(item, "callspec", None)
    if mark is None or call is None or mark.args[0] not in call.params:
        return None
    (argument,) = mark.args
    row = call.params[argument]
    table = item.nodeid.partition("[")[0]
    return Place(table, mark.kwargs["family"](row), getattr(row, "name", str(row)), call.indices[argument])


def asked_for_less(config: pytest.Config) -> bool:
    """Whether only some of the tests were asked for."""
    whole = {config.rootpath, config.rootpath / "tests"}
    paths = {(config.invocation_params.dir / arg).resolve() for arg in config.args}
    return bool(config.option.keyword or getattr(config.option, "lf", False)) or not paths <= whole


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all` and `--quarter`."""
    group = parser.getgroup("rotation")
    group.addoption("--all", action="store_true", dest="all_rows", help="take all rows of wide tables")
    group.addoption(
        "--quarter", type=int, choices=range(QUARTERS), help="take this quarter of the rows, not the commit's"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Settle the quarter once: xdist hands options on to its workers."""
    config.addinivalue_line("markers", "table(argument, family): many rows alike, of which a run takes some")
    if config.option.all_rows or (config.option.quarter is None and asked_for_less(config)):
        config.option.quarter, config.option.all_rows = None, True
    elif config.option.quarter is None:
        config.option.quarter, config.option.commit = quarter_of_commit(config.rootpath)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say which quarter it is."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    quarter = session.config.option.quarter
    if reporter and quarter is not None and not hasattr(session.config, "workerinput"):
        commit = getattr(session.config.option, "commit", "")
        reporter.write_line(
            f"wide tables: the first row of each family, and quarter {quarter} of {QUARTERS} of the others"
            f"{f' (of commit {commit})' if commit else ''}; --all takes all rows"
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave rows to other quarters."""
    if config.option.quarter is None:
        return
    taken = chosen(map(place_of, items), config.option.quarter)
    left = [item for item, take in zip(items, taken, strict=True) if not take]
    items[:] = [item for item, take in zip(items, taken, strict=True) if take]
    config.stash[COUNT] = len(left)
    if left:
        config.hook.pytest_deselected(items=left)


COUNT = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the controller of workers how many items were left."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[LEFT] = session.config.stash.get(COUNT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it: all workers collect the same."""
    node.config.stash[COUNT] = getattr(node, "workeroutput", {}).get(LEFT, 0)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how many items were left."""
    if config.option.quarter is not None:
        terminalreporter.write_line(
            f"{config.stash.get(COUNT, 0)} items were {LEFT} of the wide tables; --all runs all of them"
        )
