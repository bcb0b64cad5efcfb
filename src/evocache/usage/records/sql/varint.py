"""Lists of whole numbers as few bytes: seven bits a byte, signs in the lowest bit (as in Protocol Buffers)."""

from __future__ import annotations

from collections.abc import Iterable

from ....errors import RecordError, short


def pack(numbers: Iterable[int]) -> bytes:
    """Return whole numbers of up to 64 bits as bytes, small ones as one byte each.

    >>> unpack(pack([0, -3, 1_000_000]))
    [0, -3, 1000000]
    """
    packed = bytearray()
    for number in numbers:
        rest = (number << 1) ^ (number >> 63)
        while rest > 0x7F:
            packed.append(rest & 0x7F | 0x80)
            rest >>= 7
        packed.append(rest)
    return bytes(packed)


def unpack(packed: bytes) -> list[int]:
    """Return the numbers that `pack` was given.

    Raises:
        RecordError: if the bytes end within a number.
    """
    numbers, rest, shift = [], 0, 0
    for byte in packed:
        rest |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            numbers.append((rest >> 1) ^ -(rest & 1))
            rest = shift = 0
    if shift:
        raise RecordError(f"packed numbers {short(packed)}", "numbers that end", "the database is damaged; restore it")
    return numbers
