"""Traces as files: a CSV file with a header, or a line of JSON a request."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from ...errors import UsageError, nearest, short
from ..keys.canonical import encode
from ..keys.digest import Digester
from .requests import Request

COLUMNS = ("key", "size", "seconds", "owner", "group", "time")
"""Names of columns; all but `key` may be left out."""

REMEMBERED = 1 << 18
"""Digests of texts that are remembered, so that a text that comes again is not hashed again."""

_EXPECTED = f"columns among {', '.join(COLUMNS)}"


def count_rows(path: str | PathLike[str]) -> int:
    """Return how many requests a file has, up to the first line that is wrong.

    Raises:
        OSError: if it cannot be read.
    """
    count = 0
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            if _is_json(file):
                for line in file:
                    count += not line.isspace()
                return count
            reader = csv.reader(file, strict=True)
            next(reader, None)
            for row in reader:
                count += bool(row)
        except (UnicodeDecodeError, csv.Error):
            pass  # which line and why is told when it is read
    return count


def read_trace(path: str | PathLike[str], digester: Digester, *, skip: int = 0) -> Iterator[Request]:
    """Yield the requests of a file.

    Keys, owners and groups are texts, or whole numbers in JSON; an empty one is nobody's. What no column tells is taken
    for 1 byte, 1 second, nobody, no group, no time. Nothing is guessed: a line that is wrong ends the reading.

    Args:
        path: the file, in UTF-8. It is JSON if it begins with `{`.
        digester: makes the digests that requests are known by.
        skip: requests at the beginning that are left out.

    Raises:
        UsageError: if a line or a column is wrong, with the line and the column.
        OSError: if it cannot be read.
    """
    name = Path(path).name
    memory: dict[tuple[str, Any], bytes] = {}
    before: float | None = None
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            rows = _json_rows(file, name) if _is_json(file) else _csv_rows(file, name)
            for line, row in islice(rows, skip, None):
                request = _request(row, f"{name}, line {line}", digester, memory)
                if request.time is not None and before is not None and request.time < before:
                    given = f"{name}, line {line}: time {request.time:g} after {before:g}"
                    raise UsageError(given, "requests in order of time", "sort the lines by time")
                before = request.time if request.time is not None else before
                yield request
        except UnicodeDecodeError as error:
            raise UsageError(f"{name}, which is no text in UTF-8 ({error.reason})", "CSV or JSON lines",
                             "export the trace as text") from None  # fmt: skip


def _is_json(file: Any) -> bool:
    """Whether a file that was just opened is lines of JSON; it is at its beginning afterwards."""
    start = file.read(4096).lstrip()[:1]
    file.seek(0)
    return bool(start == "{")


def _csv_rows(file: Any, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
        columns = [column.strip() for column in header]
        _check_columns(columns, f"{name}, line 1")
        for row in reader:
            if not row:
                continue
            if len(row) != len(columns):
                given = f"{name}, line {reader.line_num}: {len(row)} values"
                raise UsageError(given, f"{len(columns)}, one a column of the header", "quote values that have commas")
            yield reader.line_num, dict(zip(columns, row, strict=True))
    except csv.Error as error:
        raise UsageError(f"{name}, line {reader.line_num}: {error}", "CSV", "quote values in full") from None


def _json_rows(file: Any, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    checked: set[frozenset[str]] = set()
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            given = f"{name}, line {line}: {short(text.strip())}"
            raise UsageError(given, "an object in JSON a line", 'write {"key": "a", "size": 3990}')
        columns = frozenset(row)
        if columns not in checked:
            _check_columns(list(row), f"{name}, line {line}")
            checked.add(columns)
        yield line, row


def _check_columns(columns: list[str], where: str) -> None:
    """Refuse columns that are unknown or doubled, and a header without keys."""
    for column in columns:
        if column not in COLUMNS:
            near = nearest(column.lower(), COLUMNS)
            mend = f"did you mean {near}?" if near else "rename or drop the column"
            raise UsageError(f"{where}: a column {short(column)}", _EXPECTED, mend)
    if "key" not in columns:
        raise UsageError(f"{where}: no column key", _EXPECTED, "say in a column key what was asked for")
    if len(set(columns)) < len(columns):
        raise UsageError(f"{where}: a column twice", _EXPECTED, "keep one of them")


def _request(row: Mapping[str, Any], where: str, digester: Digester, memory: dict[tuple[str, Any], bytes]) -> Request:
    key = _digest(row, "key", where, lambda name: digester.key(encode(name)), memory)
    if not key:
        raise UsageError(f"{where}, column key: nothing", "a text or a whole number", "leave such requests out")
    return Request(
        key,
        _digest(row, "owner", where, digester.owner, memory),
        _digest(row, "group", where, digester.group, memory),
        int(_number(row, "size", where, 1, whole=True)),
        _number(row, "seconds", where, 1.0),
        _number(row, "time", where, 0.0) if row.get("time") not in (None, "") else None,
    )


def _digest(
    row: Mapping[str, Any], column: str, where: str, made: Callable[[Any], bytes], memory: dict[tuple[str, Any], bytes]
) -> bytes:
    value = row.get(column)
    if value is None or value == "":
        return b""
    if type(value) not in (str, int):
        raise UsageError(f"{where}, column {column}: {short(value)}", "a text or a whole number", "write it as a text")
    known = memory.get((column, value))
    if known is None:
        if len(memory) >= REMEMBERED:
            memory.clear()
        known = memory[column, value] = made(value)
    return known


def _number(row: Mapping[str, Any], column: str, where: str, other: float, *, whole: bool = False) -> float:
    value = row.get(column)
    if value is None or value == "":
        return other
    least = 1 if column == "size" else 0
    expected = f"a whole number from {least}" if whole else f"a number from {least}"
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        number = int(value) if whole and isinstance(value, str) else float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not least <= number < 2**62 or (whole and number != int(number)):
        unit = "bytes" if column == "size" else "seconds"
        raise UsageError(f"{where}, column {column}: {short(value)}", expected, f"write {unit} as a plain number")
    return number
