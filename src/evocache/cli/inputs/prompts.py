"""Prompts from the command line and from files of several kinds."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError

KEYS = ("prompt", "caption", "text", "prompt_en")
"""Names of the column or key that holds the prompt, in any case, the first that is there."""


def gather(given: Sequence[str], file: Path | None, limit: int | None = None) -> list[str]:
    """Gather the prompts of the command line, then those of the file, each on one line.

    Raises:
        InputError: if there are none, one is empty or no text, or the file cannot be read.
    """
    prompts = [*given, *(read_prompts(file) if file else [])][:limit]
    if not prompts:
        mend = 'say what to draw: evocache generate "...", or give a file with --prompts'
        raise InputError("no prompt", "at least one", mend)
    for prompt in prompts:
        if not prompt.strip():
            raise InputError("an empty prompt", "some text", "leave it out, or write what to draw")
        if not prompt.isascii() and any("\ud800" <= letter <= "\udfff" for letter in prompt):
            raise InputError(
                f"the prompt {prompt!a}, with an incomplete character",
                "valid Unicode text",
                "write the whole character",
            )
    return [" ".join(prompt.split()) for prompt in prompts]


def drop_repeats(prompts: Sequence[str]) -> list[str]:
    """Drop repeated prompts, whatever their case and spacing; keep the order of first appearance."""
    from ...validation.held_out_split import drop_repeats as drop

    return list(drop(prompts))


def read_prompts(file: Path) -> list[str]:
    """Read the prompts in a file, repeats included.

    - `.tsv`, `.csv`: a column with one of the names in `KEYS` in its first line; CSV may be separated by semicolons;
    - `.json`: a list of texts, or of objects with such a key; `.jsonl`, `.ndjson`: one a line;
    - anything else: one a line, without blank lines and comments (`# ...`).

    Raises:
        InputError: if it cannot be read, or there are no prompts where that kind of file has them.
    """
    text = _read_text(file)
    readers = {
        ".tsv": _parse_tsv,
        ".csv": _parse_csv,
        ".json": _parse_list,
        ".jsonl": _parse_json_lines,
        ".ndjson": _parse_json_lines,
    }
    prompts = readers.get(file.suffix.lower(), _split_lines)(text, file)
    if not prompts:
        raise InputError(f"{str(file)!r} without a prompt", "at least one", "write one a line")
    return prompts


def _read_text(file: Path) -> str:
    """Read a file as text with plain line ends; UTF-8, or what its byte order mark says."""
    try:
        content = file.read_bytes()
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise InputError(f"{str(file)!r} ({why})", "a file of prompts", "check the path") from None
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        given = f"{str(file)!r}, which is no UTF-8 text (byte {content[error.start]:#x} in line {line})"
        raise InputError(given, "a text file", "save it as UTF-8") from None
    if "\0" in text:
        raise InputError(f"{str(file)!r}, which is no text", "a text file", "save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Lines end at line feeds alone: `splitlines` would also split at separators that prompts may hold.


def _split_lines(text: str, file: Path) -> list[str]:
    lines = (line.strip() for line in text.split("\n"))
    return [line for line in lines if line and line != "#" and not line.startswith(("# ", "#\t"))]


def _parse_tsv(text: str, file: Path) -> list[str]:
    return _select_column([line.split("\t") for line in text.split("\n")], file)


def _parse_csv(text: str, file: Path) -> list[str]:
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    try:
        return _select_column(list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)), file)
    except csv.Error as error:
        raise InputError(f"{str(file)!r} ({error})", "rows of cells", "close its quotes, or name it .txt") from None


def _select_column(rows: list[list[str]], file: Path) -> list[str]:
    """Select the cells under the prompt's name; skip rows without any text."""
    header, *body = rows or [[]]
    names = [name.strip().lower() for name in header]
    column = next((names.index(key) for key in KEYS if key in names), None)
    if column is None:
        found = ", ".join(header) or "none"
        raise InputError(f"{str(file)!r} with columns {found}", f"a column {' or '.join(KEYS)}", "name it in line 1")
    prompts = []
    for number, row in enumerate(body, 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= column or not row[column].strip():
            raise InputError(f"{str(file)!r} without a prompt in row {number}", "one in each row", "fill it in")
        prompts.append(row[column].strip())
    return prompts


def _parse_list(text: str, file: Path) -> list[str]:
    document = _parse_json(text, file, "")
    if not isinstance(document, list):
        raise InputError(
            f"{str(file)!r} with {_describe_kind(document)}",
            "a list of prompts or of objects",
            "name it .jsonl if each line is an object",
        )
    return [_check_prompt(entry, file, f"entry {i}") for i, entry in enumerate(document)]


def _parse_json_lines(text: str, file: Path) -> list[str]:
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    return [_check_prompt(_parse_json(line, file, f" in line {i}"), file, f"line {i}") for i, line in lines]


def _parse_json(text: str, file: Path, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        given = f"{str(file)!r}: {getattr(error, 'msg', 'nested too deeply')}{where}"
        mend = "correct the file, or name it .jsonl if it has an object a line, .txt if it has a prompt a line"
        raise InputError(given, "JSON", mend) from None


def _check_prompt(entry: Any, file: Path, where: str) -> str:
    if isinstance(entry, dict):
        lower = {str(key).lower(): value for key, value in entry.items()}
        entry = next((lower[key] for key in KEYS if key in lower), entry)
    if not isinstance(entry, str):
        expected = f"a text, or an object with {' or '.join(KEYS)}"
        raise InputError(f"{str(file)!r} with {_describe_kind(entry)} as {where}", expected, "correct the entry")
    if not entry.strip():
        raise InputError(f"{str(file)!r} with an empty prompt as {where}", "some text", "leave it out, or fill it in")
    return entry.strip()


def _describe_kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
