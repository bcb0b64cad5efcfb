"""Contact sheets: images in a labelled grid, for a person to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

PAPER, INK, FAINT, LINE, WARNING = "white", "#1a1a1a", "#707070", "#d8d8d8", "#d02020"
MARGIN, GAP = 16, 6


@dataclass(frozen=True)
class SheetColumn:
    """The head of a column.

    Attributes:
        title: what was done.
        lines: figures of it, one a line.
        group: columns that follow one another in one group stand together under its name, apart from the next.
        marked: rows whose image is framed, because something is wrong with it.
    """

    title: str
    lines: tuple[str, ...] = ()
    group: str = ""
    marked: frozenset[int] = frozenset()


def draw_contact_sheet(
    images: Mapping[str, Sequence[npt.NDArray[np.generic]]],
    row_labels: Sequence[str],
    column_labels: Mapping[str, SheetColumn] | None = None,
    *,
    scale: float = 2.0,
    title: str = "",
    footer: str = "",
) -> Image.Image:
    """Return a sheet with a row for each prompt and a column for each way of generating it.

    Args:
        images: by column, an image (height, width, 3) for each row: floats in [0, 1] or unsigned bytes, all of one
            size.
        row_labels: one a row; long ones are wrapped.
        column_labels: heads of the columns; their names when not given.
        scale: how much larger than their pixels the images are shown.
        title: above the sheet.
        footer: below it.

    Raises:
        ValueError: if there is no image, or a column has not an image for every row.
    """
    heads = {name: (column_labels or {}).get(name, SheetColumn(name)) for name in images}
    if not images or not row_labels or any(len(column) != len(row_labels) for column in images.values()):
        raise ValueError("a contact sheet needs an image for every row of every column")
    first = next(iter(images.values()))[0]
    tile = (max(1, round(first.shape[1] * scale)), max(1, round(first.shape[0] * scale)))
    return _Sheet(images, heads, row_labels, tile, title, footer).drawn()


class _Sheet:
    """Measures everything, then draws it."""

    def __init__(
        self,
        images: Mapping[str, Sequence[npt.NDArray[np.generic]]],
        heads: Mapping[str, SheetColumn],
        rows: Sequence[str],
        tile: tuple[int, int],
        title: str,
        footer: str,
    ) -> None:
        self.images, self.heads, self.rows, self.tile = images, heads, rows, tile
        self.body, self.bold, self.small = (ImageFont.load_default(size) for size in (14, 16, 12))
        self.label_width = round(max(110, min(190, max(self.body.getlength(row) for row in rows) / 2 + 20)))
        self.left: dict[str, int] = {}
        x, group = MARGIN + self.label_width, None
        for name, head in heads.items():
            x += 3 * GAP if group is not None and head.group != group else 0
            self.left[name], group = x, head.group
            x += tile[0] + GAP
        self.width = x - GAP + MARGIN
        self.title, self.footer = _wrapped(title, self.bold, self.room), _wrapped(footer, self.small, self.room)
        self.titles = {name: _wrapped(head.title, self.body, tile[0]) for name, head in heads.items()}
        self.lines = {
            name: [part for line in head.lines for part in _wrapped(line, self.small, tile[0])]
            for name, head in heads.items()
        }

    @property
    def room(self) -> int:
        """Pixels between the margins."""
        return self.width - 2 * MARGIN

    def drawn(self) -> Image.Image:
        """The sheet."""
        title_height = 22 * len(self.title) + (GAP if self.title else 0)
        titles, lines = (max(map(len, part.values())) for part in (self.titles, self.lines))
        if any(head.group for head in self.heads.values()):
            title_height += 20
        top = MARGIN + title_height + 18 * titles + 15 * lines + GAP
        foot = top + len(self.rows) * (self.tile[1] + GAP)
        height = foot + (GAP + 15 * len(self.footer) if self.footer else 0) + MARGIN
        sheet = Image.new("RGB", (self.width, height), PAPER)
        draw = ImageDraw.Draw(sheet)
        self._text(draw, (MARGIN, MARGIN), self.title, self.bold, INK, 22)
        group = ""
        for name, head in self.heads.items():
            x, y = self.left[name], MARGIN + title_height
            if head.group != group:
                self._text(draw, (x, y - 20), [head.group], self.bold, INK, 20)
            group = head.group
            self._text(draw, (x, y + 18 * (titles - len(self.titles[name]))), self.titles[name], self.body, INK, 18)
            self._text(draw, (x, y + 18 * titles), self.lines[name], self.small, FAINT, 15)
        for i, row in enumerate(self.rows):
            y = top + i * (self.tile[1] + GAP)
            label = _wrapped(row, self.body, self.label_width - 2 * GAP)
            self._text(draw, (MARGIN, y + max(0, (self.tile[1] - 17 * len(label)) // 2)), label, self.body, INK, 17)
            for name, head in self.heads.items():
                x = self.left[name]
                sheet.paste(_picture(self.images[name][i], self.tile), (x, y))
                frame = (x - 1, y - 1, x + self.tile[0], y + self.tile[1])
                draw.rectangle(frame, outline=LINE)
                if i in head.marked:
                    draw.rectangle(frame, outline=WARNING, width=3)
        self._text(draw, (MARGIN, foot + GAP), self.footer, self.small, FAINT, 15)
        return sheet

    @staticmethod
    def _text(
        draw: ImageDraw.ImageDraw, at: tuple[int, int], lines: Sequence[str], font: Font, fill: str, step: int
    ) -> None:
        for i, line in enumerate(lines):
            draw.text((at[0], at[1] + i * step), line, font=font, fill=fill)


def _picture(image: npt.NDArray[np.generic], size: tuple[int, int]) -> Image.Image:
    """An image at the size of its tile; enlarged by whole numbers its pixels stay what they are."""
    array = np.asarray(image)
    if array.dtype != np.uint8:
        array = (array.astype(np.float64).clip(0, 1) * 255).round().astype(np.uint8)
    made = Image.fromarray(array)
    whole = size[0] % made.width == 0 and size[1] % made.height == 0
    return made.resize(size, Image.Resampling.NEAREST if whole else Image.Resampling.LANCZOS)


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """The text in lines of at most so many pixels; a word that is wider stays whole."""
    lines: list[str] = []
    for paragraph in text.split("\n") if text else ():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines
