"""Where the commands of `evocache usage` read requests: trace files, and stores of records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...ui.failures import InputError
from ...ui.waits import Waits

if TYPE_CHECKING:
    from ....usage.patterns.requests import Request
    from ....usage.policies.trace import Trace
    from ....usage.records.store import EventStore

Source = Annotated[
    str,
    typer.Argument(
        metavar="TRACE|STORE",
        help="CSV with a header, or a line of JSON a request: key and, if known, size (bytes), seconds, owner, group, "
        "time; or a store of records: a SQLite file or a URL.",
    ),
]

SQLITE = b"SQLite format 3\0"

LINES = 50_000
"""Lines that are read in a second, about."""


def is_store(source: str) -> bool:
    """Return whether a source is a store of records; else it is a trace file.

    Raises:
        InputError: if there is no such file.
    """
    if "://" in source:
        return True
    path = Path(source)
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise InputError(f"{source!r} ({why})", "a trace file or a store of records", "check the path") from None


@contextmanager
def open_records(source: str) -> Iterator[EventStore]:
    """Open a store that is there, and close it at the end of the context.

    Raises:
        InputError: if it is no store.
        StoreError: if it cannot be opened.
    """
    if not is_store(source):
        raise InputError(f"{source!r}, which is no SQLite file", "a store of records", "name its file or its URL")
    if source.startswith("sqlite:///"):
        is_store(source.removeprefix("sqlite:///"))  # a file that is missing would be made
    from ....usage.records.open_store import open_store
    from ....usage.records.retention import Retention

    kept = Retention(max_seconds=None, max_bytes=None)
    with open_store(source, privacy="text", retention=kept) as store:
        yield store


def read_requests(source: str, wait: Waits) -> list[Request]:
    """Read the requests of a trace file or a store of records.

    Raises:
        InputError: if there is no such file, or nothing in it.
        UsageError: if a line of it is wrong.
        StoreError: if the store cannot be read.
    """
    from ....usage.keys.digest import Digester
    from ....usage.keys.secret import installation_secret
    from ....usage.patterns.requests import of_events
    from ....usage.patterns.trace_file import read_trace

    if is_store(source):
        with open_records(source) as store:
            wait.predict("reading records", store.count() / LINES)
            found = list(of_events(store.read()))
    else:
        wait.predict(f"reading {Path(source).name}", Path(source).stat().st_size / (40 * LINES))
        found = list(read_trace(source, Digester(installation_secret())))
    if not found:
        raise InputError(f"{source!r}, which has no requests", "requests", "record some, or choose another file")
    return found


def trace_of(requests: list[Request]) -> Trace:
    """Return those requests as a trace that a cache could have answered.

    Raises:
        InputError: if there are none.
    """
    from ....usage.patterns.requests import as_row, to_trace

    rows = [as_row(request) for request in requests if request.replayable]
    if not rows:
        given = "requests without keys or bytes of answers"
        raise InputError(given, "records that were kept with digests", "record with privacy='digest'")
    return to_trace(rows)
