"""Open the store of events that a path or a URL names."""

from __future__ import annotations

import time
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

from .memory import MemoryStore
from .privacy import Privacy
from .retention import Retention
from .sql.sql_store import SqlStore
from .store import EventStore


def open_store(
    where: str | PathLike[str] | None = None,
    *,
    privacy: Privacy = "digest",
    retention: Retention | None = None,
    clock: Callable[[], float] = time.time,
) -> EventStore:
    """Open a store of events.

    Args:
        where: a file of SQLite, made where it is not there; a URL of SQLite or Postgres; None for memory.
        privacy: what is kept of each event: `"text"`, `"digest"`, `"none"`.
        retention: what is deleted again; as it stands 90 days and 64 MB.
        clock: returns seconds since 1970.

    Raises:
        DependencyError: if the extra `[usage]` is not installed, and a database is asked for.
        StoreError: if the database cannot be opened, or a newer evocache made it.
    """
    if where is None:
        return MemoryStore(privacy=privacy, retention=retention, clock=clock)
    text = fspath(where)
    url = text if "://" in text else f"sqlite:///{Path(text).absolute()}"
    return SqlStore(url, privacy=privacy, retention=retention, clock=clock)
