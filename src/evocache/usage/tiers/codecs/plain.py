"""Bytes as they are, and JSON of what JSON gives back as it was."""

from __future__ import annotations

import json
from typing import Any


class BytesCodec:
    """Bytes, as they are."""

    name = "bytes"

    def encodes(self, value: Any) -> bool:
        """Return whether it is bytes."""
        return type(value) is bytes

    def dumps(self, value: bytes) -> bytes:
        """Return them."""
        return value

    def loads(self, payload: bytes) -> bytes:
        """Return them."""
        return payload


class JsonCodec:
    """JSON of `None`, bool, int, float, str, lists and dicts of texts; tuples and others would come back as lists."""

    name = "json"

    def encodes(self, value: Any) -> bool:
        """Return whether JSON gives the value back with all types."""
        kind = type(value)
        if kind is list:
            return all(map(self.encodes, value))
        if kind is dict:
            return all(type(name) is str and _text(name) and self.encodes(item) for name, item in value.items())
        return (
            value is None or kind in (bool, float) or (kind is int and _short(value)) or (kind is str and _text(value))
        )

    def dumps(self, value: Any) -> bytes:
        """Return JSON in UTF-8; what is no number is written as Python does."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def loads(self, payload: bytes) -> Any:
        """Return the value."""
        return json.loads(payload)


def _text(text: str) -> bool:
    """Whether it is text that UTF-8 can write: no halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(number: int) -> bool:
    """Whether Python reads and writes the number in decimal."""
    return number.bit_length() < 14_000
