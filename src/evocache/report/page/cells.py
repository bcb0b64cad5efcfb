"""A table of a page as plain text: headings, and rows of cells; the templates say how it looks."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Cell:
    """A text in a table, and whether it is the best of its row."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        cells: from left to right; the first says what the row is about.
        name: by which a reader can choose it; None for a row that cannot be chosen.
        colour: group whose colour stands before the first cell; empty for none.
    """

    cells: tuple[Cell, ...]
    name: str | None = None
    colour: str = ""


@dataclass(frozen=True)
class Table:
    """Headings, and rows in groups that a line separates."""

    headings: tuple[str, ...]
    groups: tuple[tuple[Row, ...], ...]

    def drop_empty_columns(self) -> Table:
        """Return the table without the columns that no row has a text in; the first one stays."""
        rows = [row for group in self.groups for row in group]
        kept = [i for i in range(len(self.headings)) if i == 0 or any(row.cells[i].text for row in rows)]
        groups = [[replace(row, cells=tuple(row.cells[i] for i in kept)) for row in group] for group in self.groups]
        return Table(tuple(self.headings[i] for i in kept), tuple(map(tuple, groups)))
