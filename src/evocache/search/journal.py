"""The journal of a run: append-only JSON lines. The run is its replay."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import RunError
from .claim import claim

JOURNAL = "journal.jsonl"
"""The journal's file in a run's folder."""

MODEL = "uncached.json"
"""The file of the schedule that computes everything: whose tree the cells in the journal are of."""

VERSION = 1
START = b'{"v": '
"""How every line begins."""

Line = dict[str, Any]


class Journal:
    """Lines of a file, read once and then appended to; a context manager.

    A line counts when it ends with a newline: what a killed writer left of its last line is cut off when the journal
    is opened; what no writer of ours can have left is refused and not touched. Appending flushes to the disk before it
    returns. While it is open, no other process can open it.

    Args:
        path: the file; made if it does not exist.

    Raises:
        RunError: if another process has it open, it cannot be written, or it is no journal of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            claim(self._file, path)
            self.lines = tuple(self._read())
        except BaseException:
            os.close(self._file)
            raise

    def _read(self) -> Iterator[Line]:
        with open(self._file, "rb", closefd=False) as file:
            data = file.read()
        end = data.rfind(b"\n") + 1
        torn = data[end:]
        for number, text in enumerate(data[:end].splitlines(), 1):
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                line = None
            if not isinstance(line, dict) or line.get("v") != VERSION:
                raise unreadable(self.path, number)
            yield line
        if not (torn.startswith(START) or START.startswith(torn) or not torn.strip(b"\0")):
            raise unreadable(self.path, data.count(b"\n") + 1)
        if torn:
            os.ftruncate(self._file, end)
        os.lseek(self._file, 0, os.SEEK_END)

    def append(self, kind: str, **values: Any) -> None:
        """Add a line, on the disk when this returns.

        Raises:
            RunError: if it cannot be written (a full disk); what was there before is kept.
        """
        text = json.dumps({"v": VERSION, "kind": kind, **values}, allow_nan=False) + "\n"
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            _write_all(self._file, text.encode())
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, end)
            raise _unwritable(self.path, error) from None

    def close(self) -> None:
        """Let others open it."""
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def unreadable(path: Path, number: int) -> RunError:
    """The error that a line of a journal cannot be used."""
    expected = f"a journal line of version {VERSION}"
    return RunError(f"line {number} of {path}", expected, "put the file right, or use another folder")


def _unwritable(path: Path, error: OSError) -> RunError:
    reason = (error.strerror or "cannot be written").lower()
    return RunError(f"{path} ({reason})", "a journal that can be written", "free space, or choose another folder")
