"""The journal of a run: append-only JSON lines, each with a checksum. The run is its replay."""

from __future__ import annotations

import json
import os
import re
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any

from ...errors import CodecError, JournalError, RunError, short
from ...schedule.io import strict_json as sj
from .journal_records import Record, find_invalid, parse_record
from .run_lock import acquire_lock

JOURNAL = "journal.jsonl"
"""The journal's file in a run's folder."""

MODEL = "uncached.json"
"""The file of the schedule that computes everything: whose tree the cells in the journal are of."""

VERSION = 2
START = b'{"v": '
"""How every line begins."""

MOST_BYTES = 1 << 30
"""Longest journal that is read."""

_SUM = re.compile(rb', "sum": "([0-9a-f]{8})"\}$')


class Journal:
    """Records of a file, read once and then appended to; a context manager.

    A line counts when it ends with a newline: what a killed writer left of its last line is cut off when the journal
    is opened; what no writer of ours can have left is refused and not touched. Appending flushes to the disk before it
    returns. While it is open, no other process can open it.

    Args:
        path: the file; made if it does not exist.

    Attributes:
        records: what was in it when it was opened.

    Raises:
        JournalError: if it is damaged, or of another version.
        RunError: if another process has it open, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            self._lock = acquire_lock(path.with_name(f".{path.name}.lock"), path)
        except BaseException:
            os.close(self._file)
            raise
        try:
            with open(self._file, "rb", closefd=False) as file:
                data = file.read(MOST_BYTES + 1)
            self.records, self._sum, end = _read(data, path)
            if end < len(data):
                os.ftruncate(self._file, end)
        except BaseException:
            self.close()
            raise

    def append(self, record: Record) -> None:
        """Add a record, on the disk when this returns.

        Raises:
            RunError: if it cannot be written (a full disk); what was there before is kept.
        """
        data, sum_ = _line(record, self._sum)
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            _write_all(self._file, data)
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, end)
            raise _unwritable(self.path, error) from None
        self._sum = sum_

    def close(self) -> None:
        """Let others open it."""
        os.close(self._file)
        self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: Path) -> tuple[Record, ...]:
    """Return the records of a journal, also while its run goes on: a line that is not ended yet is none.

    Raises:
        JournalError: if it is damaged, or of another version.
        RunError: if there is none.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError:
        given = f"{str(path.parent)!r} without a journal"
        raise RunError(given, "the folder of a run", "name the folder that evolve wrote") from None
    return _read(data, path)[0]


def _read(data: bytes, path: Path) -> tuple[tuple[Record, ...], int, int]:
    """The records of a journal, the checksum of the last, and where its whole lines end."""
    if len(data) > MOST_BYTES:
        raise JournalError(f"{path}, longer than {MOST_BYTES} bytes", "a journal as a run writes it", "check the file")
    end = data.rfind(b"\n") + 1
    records: list[Record] = []
    sum_ = 0
    for number, text in enumerate(data[:end].split(b"\n")[:-1], 1):
        try:
            found, sum_ = _parsed(text, sum_)
        except CodecError as error:
            raise _damaged(path, number, f"{error.given}, where {error.expected} is due") from None
        records.append(found)
    wrong = find_invalid(records)
    if wrong is not None:
        raise _damaged(path, wrong + 1, "a line that does not follow from those before it")
    torn = data[end:]
    if not (torn.startswith(START) or START.startswith(torn) or not torn.strip(b"\0")):
        raise _damaged(path, len(records) + 1, "what no run has written")
    return tuple(records), sum_, end


def _parsed(text: bytes, before: int) -> tuple[Record, int]:
    """The record of a line and its checksum, which goes on from that of the line before."""
    line = sj.parse(text)
    version = line.pop("v", None)
    if version != VERSION:
        old = ", which did not say what it was evaluated on" if version == 1 else ""
        raise CodecError(f"version {short(version)}{old}", f"version {VERSION}", "evolve into a new folder")
    found = _SUM.search(text)
    if found is None or int(found[1], 16) != (sum_ := zlib.crc32(text[: found.start()], before)):
        raise CodecError("a line that was changed: its checksum differs", "the line as it was written", "restore it")
    del line["sum"]
    return parse_record(line), sum_


def _line(record: Record, before: int) -> tuple[bytes, int]:
    """A record as a line, and its checksum."""
    values: dict[str, Any] = {"v": VERSION, "kind": record.kind, **record.line()}
    text = json.dumps(values, allow_nan=False).encode()[:-1]
    sum_ = zlib.crc32(text, before)
    return text + f', "sum": "{sum_:08x}"}}\n'.encode(), sum_


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _damaged(path: Path, number: int, why: str) -> JournalError:
    expected = f"a journal of version {VERSION} as a run writes it"
    mend = "restore the file from a copy, or evolve into a new folder, with --start to begin with this run's front"
    return JournalError(f"line {number} of {path} ({why})", expected, mend)


def _unwritable(path: Path, error: OSError) -> RunError:
    reason = (error.strerror or "cannot be written").lower()
    return RunError(f"{path} ({reason})", "a journal that can be written", "free space, or choose another folder")
