"""Bytes of a Python value that are the same in every process, and differ for values that differ.

Each value is written with a mark of its type, and with its length where it has one, so that the bytes of one value are
never the bytes of another or the beginning of them:

- `N`, `T`, `F`: `None`, `True`, `False`
- `i` hexadecimal digits `;`: int, of any length
- `f` `float.hex` `;`: float; 0.0 and -0.0 differ, all NaN are one
- `s` characters `:` UTF-8: str; `b` bytes `:` content: bytes; `c` two floats: complex
- `(` `[` items `:` ...: tuple, list; `{` `<` `#` items `:` ...: dict, set, frozenset, in the order of their encodings
- `@` name, content: everything else, by the name of its kind

Nothing depends on `hash()`, on addresses or on the order in which a dict or a set was filled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import UsageError
from .content import UnencodableError, type_name
from .kinds import content_of

DEEPEST = 150
"""Levels of containers in containers, far below where Python itself gives up."""


def encode(value: Any) -> bytes:
    """Encode a value as bytes that are the same in every process.

    Args:
        value: `None`, bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset, enums, dates and times,
            `Decimal`, `Fraction`, `UUID`, deques, paths (their text, not the file), objects of dataclasses, attrs and
            pydantic with all that they hold, numpy arrays and scalars, pandas and polars frames and series,
            torch tensors, PIL images, functions and classes of modules, objects with a method `__cache_key__()` that
            returns a value of these.

    Returns:
        The encoding: equal for equal values of equal types, different for all others. `1`, `1.0`, `True` and `"1"`
        differ.

    Raises:
        UsageError: if the value, or one within it, has no such encoding, or contains itself.
    """
    if type(value) is tuple:
        text = _plain_tuple(value)
        if text is not None:
            return text.encode("utf-8", "surrogatepass")
    try:
        return _Encoder().encode(value)
    except UnencodableError as refused:
        raise _told(refused, "a key", value, "leave it out of the key") from None


def encode_arguments(arguments: Mapping[str, Any]) -> bytes:
    """Encode a call's arguments by their names.

    Args:
        arguments: values by name, those to be ignored left out; their order does not matter.

    Returns:
        The encoding, as of `encode`.

    Raises:
        UsageError: if an argument has no encoding; the message names it.
    """
    flat = tuple(part for name in sorted(arguments) for part in (name, arguments[name]))
    text = _plain_tuple(flat)
    if text is not None:
        return text.encode("utf-8", "surrogatepass")
    out = [b"(%d:" % len(flat)]
    for name in sorted(arguments):
        try:
            out += (_Encoder().encode(name), _Encoder().encode(arguments[name]))
        except UnencodableError as refused:
            raise _told(
                refused, f"argument `{name}`", arguments[name], f'leave it out with ignore=("{name}",)'
            ) from None
    return b"".join(out)


def _told(refused: UnencodableError, place: str, value: Any, leave: str) -> UsageError:
    inside = "" if type_name(type(value)) == refused.type else ", in which is a value"
    why = refused.why or "a value that is encoded the same in every process"
    known = f"give {refused.short} a method `def __cache_key__(self)` that returns what answers depend on, as a tuple"
    return UsageError(f"{place}{inside} of type {refused.type}", why, f"{refused.mend or known}, or {leave}")


def _plain_tuple(value: tuple[Any, ...]) -> str | None:
    """The encoding of a tuple of plain values as text, or `None` if one is of another type."""
    text = f"({len(value)}:"
    for item in value:
        kind = type(item)
        if kind is str:
            text += f"s{len(item)}:{item}"
        elif kind is int:
            text += f"i{item:x};"
        elif kind is float:
            text += f"f{item.hex()};"
        elif item is None:
            text += "N"
        elif kind is bool:
            text += "T" if item else "F"
        else:
            return None
    return text


def _float(value: float) -> bytes:
    return b"f%s;" % value.hex().encode()


_PLAIN: dict[type, Callable[[Any], bytes]] = {
    str: lambda value: f"s{len(value)}:{value}".encode("utf-8", "surrogatepass"),
    int: lambda value: b"i%x;" % value,
    float: _float,
    bool: lambda value: b"T" if value else b"F",
    type(None): lambda value: b"N",
    bytes: lambda value: b"b%d:%s" % (len(value), value),
    complex: lambda value: b"c%s%s" % (_float(value.real), _float(value.imag)),
}


class _Encoder:
    """One encoding, and the containers that are open in it."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def encode(self, value: Any) -> bytes:
        """Return the bytes of a value."""
        plain = _PLAIN.get(type(value))
        if plain is not None:
            return plain(value)
        mark = id(value)
        if mark in self._open:
            raise UnencodableError(value, "a value that does not contain itself", "break the circle")
        if len(self._open) >= DEEPEST:
            raise UnencodableError(value, f"at most {DEEPEST} containers in one another", "give a flatter value")
        self._open.add(mark)
        content = self._container(value)
        self._open.discard(mark)
        return content

    def _container(self, value: Any) -> bytes:
        kind = type(value)
        if kind is tuple or kind is list:
            parts = [b"%s%d:" % (b"(" if kind is tuple else b"[", len(value)), *map(self.encode, value)]
        elif kind is dict:
            parts = sorted(self.encode(name) + self.encode(item) for name, item in value.items())
            parts.insert(0, b"{%d:" % len(value))
        elif kind is set or kind is frozenset:
            parts = [b"%s%d:" % (b"<" if kind is set else b"#", len(value)), *sorted(map(self.encode, value))]
        else:
            name, content = content_of(value)
            parts = [b"@", self.encode(name), self.encode(content)]
        return b"".join(parts)
