"""JSON from strangers: bounded before it is parsed, and checked for type as it is read."""

from __future__ import annotations

import json
import math
import os
import re
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

from ...errors import CodecError, short

MAX_BYTES = 1 << 25
"""Longest text that is read. Files of real schedules stay under 1 MB."""

MAX_CONTAINERS = 500_000
"""Most objects and lists in a text; a schedule has a few per component."""

MAX_DEPTH = 16
"""Deepest nesting of objects and lists."""

_QUOTED_OR_PLAIN = re.compile(r'"[^"]*"?|[^][{}"]+')


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file, if it is not too long.

    Raises:
        CodecError: if there is no such file, it cannot be read, is too long or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size  # room is made for what is asked for; a pipe has no size
            data = file.read(min(size, MAX_BYTES) + 1)
            data += file.read(MAX_BYTES + 1 - len(data)) if len(data) > size else b""
    except (OSError, ValueError) as error:
        _no_file(path, error, "a file that can be read")
    return decode(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file at once: whoever reads it meanwhile sees the old text or the new one, never a part.

    Raises:
        CodecError: if it cannot be written.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(draft, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except (OSError, ValueError) as error:
        draft.unlink(missing_ok=True)
        _no_file(path, error, "a place where a file can be written")


def decode(text: str | bytes) -> str:
    """Return the text of bytes, without a byte order mark.

    Raises:
        CodecError: if it is too long or not UTF-8.
    """
    if not isinstance(text, (str, bytes)):
        raise CodecError(f"{type(text).__name__}", "str or bytes", "pass the text of the file")
    if len(text) > MAX_BYTES:
        raise CodecError(f"more than {MAX_BYTES} characters", "less", "check that the file is a schedule's")
    try:
        return (text if isinstance(text, str) else text.decode("utf-8")).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise CodecError(f"bytes that are not UTF-8 ({error})", "UTF-8", "save the file as UTF-8") from None


def parse(text: str | bytes) -> dict[str, Any]:
    """Read the JSON object in a text; duplicate keys, NaN and infinities, which the json module takes, are errors.

    Raises:
        CodecError: if the text is too long, too deep, too rich, or is no JSON object.
    """
    return read_object(parse_any(text), "the document")


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the JSON object in a file: what any file of ours is read by.

    Raises:
        CodecError: if there is no such file, or it is too long, too deep, too rich, or no JSON object.
    """
    return parse(read_text(path))


def parse_any(text: str | bytes) -> Any:
    """Read any JSON value in a text, as `parse` reads an object.

    Raises:
        CodecError: if the text is too long, too deep, too rich, or no JSON.
    """
    text = decode(text)
    _bound(text)
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise CodecError(f"text that is no JSON ({error})", "JSON", "check that the file is complete") from None
    except (ValueError, RecursionError) as error:
        raise CodecError(f"JSON that cannot be read ({error})", "plain JSON", "check that the file is intact") from None


def read_object(value: Any, where: str) -> dict[str, Any]:
    """Return the value, an object.

    Raises:
        CodecError: if it is something else.
    """
    if not isinstance(value, dict):
        _wrong(value, where, "an object")
    return value


def read_list(value: Any, where: str) -> list[Any]:
    """Return the value, a list.

    Raises:
        CodecError: if it is something else.
    """
    if not isinstance(value, list):
        _wrong(value, where, "a list")
    return value


def read_string(value: Any, where: str) -> str:
    """Return the value, a string that can be encoded.

    Raises:
        CodecError: if it is something else.
    """
    if not isinstance(value, str):
        _wrong(value, where, "a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        _wrong(value, where, "a string without lone surrogates")
    return value


def read_integer(value: Any, where: str, low: int, high: int) -> int:
    """Return the value, a whole number in low..high (both included).

    Raises:
        CodecError: if it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        _wrong(value, where, f"a whole number in {low}..{high}")
    return value


def read_number(value: Any, where: str) -> float:
    """Return the value, a finite number, as float.

    Raises:
        CodecError: if it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _wrong(value, where, "a number")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        _wrong(value, where, "a finite number")
    return result


def read_numbers(value: Any, where: str) -> dict[str, float]:
    """Return the value, an object whose values are finite numbers, as floats.

    Raises:
        CodecError: if it is something else.
    """
    return {name: read_number(entry, f"{short(name)} in {where}") for name, entry in read_object(value, where).items()}


def check_keys(value: dict[str, Any], where: str, required: Collection[str], optional: Collection[str] = ()) -> None:
    """Check that an object has the required keys, and no others than these and the optional ones.

    Raises:
        CodecError: naming the keys that are missing or unknown.
    """
    known = ", ".join([*required, *optional])
    missing = [key for key in required if key not in value]
    if missing:
        raise CodecError(f"{where} without {', '.join(missing)}", f"the keys {known}", "add what is missing")
    unknown = [key for key in value if key not in required and key not in optional]
    if unknown:
        names = ", ".join(short(key) for key in unknown[:5])
        raise CodecError(f"unknown key {names} in {where}", f"the keys {known}", "remove it, or upgrade evocache")


def _bound(text: str) -> None:
    """Refuse deep or rich texts before the parser allocates for them."""
    bare = text.replace("\\\\", "").replace('\\"', "")
    brackets = _QUOTED_OR_PLAIN.sub("", bare)
    if brackets.count("{") + brackets.count("[") > MAX_CONTAINERS:
        raise CodecError(
            f"more than {MAX_CONTAINERS} objects and lists", "fewer", "check that the file is a schedule's"
        )
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise CodecError(f"JSON nested over {MAX_DEPTH} deep", "less", "check that the file is a schedule's")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise CodecError(f"the key {short(key)} twice in one object", "every key once", "remove one of the two")
        out[key] = value
    return out


def _constant(name: str) -> NoReturn:
    raise CodecError(name, "finite numbers", "replace it by a number")


def _wrong(value: Any, where: str, expected: str) -> NoReturn:
    raise CodecError(f"{short(value)} for {where}", expected, f"correct {where}")


def _no_file(path: str | os.PathLike[str], error: Exception, expected: str) -> NoReturn:
    reason = getattr(error, "strerror", None) or error
    raise CodecError(f"{short(os.fspath(path))} ({reason})", expected, "check the path") from None
