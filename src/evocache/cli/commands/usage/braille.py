"""Lines drawn with braille characters: two by four dots a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of the dots of a cell, by column and row."""


def draw_lines(lines: Sequence[tuple[Sequence[float], str]], width: int, height: int, top: float) -> list[Text]:
    """Draw lines from 0 to `top` on one canvas; where two meet in a cell, the later one has its colour.

    Args:
        lines: values from left to right, as many as there are dots across at most, and a style.
        width: columns.
        height: rows.
        top: value at the upper edge; what is above is drawn there.

    Returns:
        Rows, the uppermost first.
    """
    from rich.text import Text

    bits = [[0] * width for _ in range(height)]
    styles = [[""] * width for _ in range(height)]
    for values, style in lines:
        before: int | None = None
        for x, value in enumerate(values[: 2 * width]):
            y = 4 * height - 1 - round(min(max(value / top, 0.0), 1.0) * (4 * height - 1))
            low, high = (y, y) if before is None else (min(y, before), max(y, before))
            for dot in range(low, high + 1):  # no gap where it is steep
                row, column = dot // 4, x // 2
                bits[row][column] |= _DOTS[x % 2][dot % 4]
                styles[row][column] = style
            before = y
    rows = []
    for cells, colours in zip(bits, styles, strict=True):
        text = Text(no_wrap=True)
        for cell, colour in zip(cells, colours, strict=True):
            text.append(chr(0x2800 + cell) if cell else " ", style=colour)
        rows.append(text)
    return rows
