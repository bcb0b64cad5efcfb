"""Where the commands of `evocache usage` read requests: trace files, and stores of records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ....errors import InputError
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

TOLD = 500
"""Requests after which the wait is told how far reading is."""

COUNTED = 50e6
"""Bytes of a trace whose lines are counted in a second, about."""


def is_store(source: str) -> bool:
    """Return whether a source is a store of records; else it is a trace file.

    Raises:
        InputError: if there is no such file.
    """
    if "://" in source:
        return True
    path = Path(source)
    if path.exists() and not path.is_file():
        given = f"{source!r}, which is {'a folder' if path.is_dir() else 'no file'}"
        raise InputError(given, "a trace file or a store of records", "name a file in it, or save it as a file first")
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


def name_source(source: str) -> str:
    """Return what a source may be called in a report: its file, or its URL without user and password."""
    if "://" not in source:
        return Path(source).name
    kind, _, rest = source.partition("://")
    place, _, name = rest.partition("/")
    return f"{kind}://{place.rpartition('@')[2]}/{name.partition('?')[0]}"


@contextmanager
def stream_requests(source: str, wait: Waits, most: int | None = None) -> Iterator[tuple[Iterator[Request], int]]:
    """Open the requests of a trace file or a store of records, the last ones if there are more than so many.

    Yields:
        The requests in order, and how many are left out before them. Reading them advances the wait.

    Raises:
        InputError: if there is no such file, or nothing in it.
        UsageError: if a line of it is wrong, while it is read.
        StoreError: if the store cannot be read.
    """
    wait.predict(f"opening {name_source(source)}", 3)
    from ....usage.keys.digest import Digester
    from ....usage.keys.secret import installation_secret
    from ....usage.patterns.trace_file import count_rows, read_trace

    if is_store(source):
        with open_records(source) as store:
            count = store.count()
            skipped = _begin(source, wait, count, most)
            yield _watched(_last_of(store, count - skipped if skipped else None), wait), skipped
        return
    wait.predict(f"counting the lines of {name_source(source)}", Path(source).stat().st_size / COUNTED)
    skipped = _begin(source, wait, count_rows(source), most, trace=True)
    yield _watched(read_trace(source, Digester(installation_secret()), skip=skipped), wait), skipped


def _begin(source: str, wait: Waits, count: int, most: int | None, *, trace: bool = False) -> int:
    """Begin to wait for so many requests, and return how many of them are left out."""
    if not count and not trace:
        _refuse_empty(source)
    skipped = max(0, count - most) if most is not None else 0
    wait.count(f"reading {name_source(source)}", count - skipped)
    return skipped


def _last_of(store: EventStore, most: int | None) -> Iterator[Request]:
    from ....usage.patterns.requests import of_events
    from ....usage.records.store import Where

    if most is None:
        return of_events(store.read())
    found = 0
    for hour in sorted(store.summarize("hour"), key=lambda one: -int(one.value)):  # no more hours than are needed
        found += hour.requests
        if found >= most:
            events = store.read(Where(since=3600.0 * int(hour.value)))
            return of_events(islice(events, found - most, None))
    return of_events(store.read())


def _watched(requests: Iterator[Request], wait: Waits) -> Iterator[Request]:
    for count, request in enumerate(requests, 1):
        yield request
        if count % TOLD == 0:
            wait.advance(TOLD)


def _refuse_empty(source: str) -> NoReturn:
    raise InputError(
        f"{name_source(source)!r}, which has no requests", "requests", "record some, or choose another file"
    )


def read_requests(source: str, wait: Waits) -> list[Request]:
    """Read all requests of a trace file or a store of records.

    Raises:
        InputError: if there is no such file, or nothing in it.
        UsageError: if a line of it is wrong.
        StoreError: if the store cannot be read.
    """
    with stream_requests(source, wait) as (requests, _):
        found = list(requests)
    if not found:
        _refuse_empty(source)
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
