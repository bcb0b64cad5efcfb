"""Prompts from the command line and from files of several kinds."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .failures import InputError

KEYS = ("prompt", "caption", "text")
"""Names of the column or key that holds the prompt, in any case, the first that is there."""


def gather(given: Sequence[str], file: Path | None, limit: int | None = None) -> list[str]:
    """The prompts of the command line, then those of the file.

    Raises:
        InputError: if there are none, one is empty, or the file cannot be read.
    """
    prompts = [*given, *(read(file) if file else [])][:limit]
    if not prompts:
        raise InputError("no prompt", "at least one", 'give --prompt "...", or a file with --prompts')
    if not all(prompt.strip() for prompt in prompts):
        raise InputError("an empty prompt", "some text", "leave it out, or write what to draw")
    return [" ".join(prompt.split()) for prompt in prompts]


def read(file: Path) -> list[str]:
    """The prompts in a file: lines of text, TSV or CSV with a header, JSON or JSON lines.

    Raises:
        InputError: if it cannot be read, or there are no prompts where that kind of file has them.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise InputError(f"{str(file)!r} ({why})", "a file of prompts", "check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{str(file)!r}, which is no UTF-8 text", "a text file", "save it as UTF-8") from None
    readers = {".tsv": _tsv, ".csv": _csv, ".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines}
    prompts = readers.get(file.suffix.lower(), _lines)(text, file)
    if not prompts:
        raise InputError(f"{str(file)!r} without a prompt", "at least one", "write one a line")
    return prompts


def _lines(text: str, file: Path) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _tsv(text: str, file: Path) -> list[str]:
    return _rows(csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE), file)


def _csv(text: str, file: Path) -> list[str]:
    return _rows(csv.reader(text.splitlines(keepends=True)), file)


def _rows(rows: Iterable[list[str]], file: Path) -> list[str]:
    try:
        header, *body = list(rows) or [[]]
    except csv.Error as error:
        raise InputError(f"{str(file)!r} ({error})", "rows of cells", "mend the file") from None
    names = [name.strip().lower() for name in header]
    column = next((names.index(key) for key in KEYS if key in names), None)
    if column is None:
        found = ", ".join(header) or "none"
        raise InputError(f"{str(file)!r} with columns {found}", f"a column {' or '.join(KEYS)}", "name it in line 1")
    return [row[column].strip() for row in body if len(row) > column and row[column].strip()]


def _json(text: str, file: Path) -> list[str]:
    document = _parsed(text, file, "")
    if not isinstance(document, list):
        raise InputError(f"{str(file)!r} with {_kind(document)}", "a list of prompts or of objects", "use JSON lines?")
    return [_prompt(entry, file, f"entry {i}") for i, entry in enumerate(document)]


def _json_lines(text: str, file: Path) -> list[str]:
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    return [_prompt(_parsed(line, file, f" in line {i}"), file, f"line {i}") for i, line in lines]


def _parsed(text: str, file: Path, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        given = f"{str(file)!r}: {getattr(error, 'msg', 'nested too deeply')}{where}"
        raise InputError(given, "JSON", "mend the file, or name it .txt if it has a prompt a line") from None


def _prompt(entry: Any, file: Path, where: str) -> str:
    if isinstance(entry, dict):
        lower = {str(key).lower(): value for key, value in entry.items()}
        entry = next((lower[key] for key in KEYS if key in lower), entry)
    if not isinstance(entry, str):
        expected = f"a text, or an object with {' or '.join(KEYS)}"
        raise InputError(f"{str(file)!r} with {_kind(entry)} as {where}", expected, "mend the entry")
    return entry.strip()


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
