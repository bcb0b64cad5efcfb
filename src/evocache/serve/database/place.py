"""Where a server's database is, as its settings say."""

from __future__ import annotations

from pathlib import Path

FILE = "server.db"


def url_of(folder: Path, url: str | None = None) -> str:
    """Return the URL of a database: one that is given, else that of the file of SQLite in a server's folder."""
    return url or f"sqlite:///{(folder / FILE).absolute()}"
