"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Return a Markdown table whose columns are aligned to the right.

    Args:
        headings: one a column.
        rows: cells from left to right; a row that is shorter gets empty cells.
        left: places of the columns that are aligned to the left.
    """
    align = ["---" if place in left else "---:" for place in range(len(headings))]
    filled = [[*row, *[""] * (len(headings) - len(row))] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, align, *filled))
