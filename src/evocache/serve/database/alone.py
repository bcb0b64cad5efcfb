"""Whether a server is the only one on a database: then what others had begun there will not go on."""

from __future__ import annotations

import os
import sys
from pathlib import Path


class Presence:
    """Says that a server is there, as long as its process lives: a shared lock on a file beside SQLite's.

    The system takes the lock back when the process ends, however it ends, so a server that comes after a crash knows at
    once that nobody is left, instead of waiting for a lease to be over. Where there is no such lock (Windows, and
    Postgres, whose servers may be on other machines) nothing is known.

    Args:
        database: the file of SQLite; None of Postgres.
    """

    def __init__(self, database: Path | None) -> None:
        self._file: int | None = None
        self._alone = False
        if database is None or sys.platform == "win32":
            return
        import fcntl

        self._file = os.open(f"{database}.servers", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._alone = True
        except BlockingIOError:
            fcntl.flock(self._file, fcntl.LOCK_SH)

    @property
    def alone(self) -> bool:
        """Whether no other server lives on this database; others wait for `settle`."""
        return self._alone

    def settle(self) -> None:
        """Let others come, from now on with this one there."""
        if self._file is not None and self._alone and sys.platform != "win32":
            import fcntl

            self._alone = False
            fcntl.flock(self._file, fcntl.LOCK_SH)

    def close(self) -> None:
        """Leave. Leaving twice does nothing."""
        file, self._file, self._alone = self._file, None, False
        if file is not None:
            os.close(file)
