"""Rows of pictures: those of a few prompts side by side, one small PNG file for each way of generating them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

FOLDER = "pictures"

MOST = 192
"""Longer side of a picture in a row of pictures, in pixels; larger ones are scaled down."""

GAP = 4
"""White pixels between pictures."""


def write_picture_rows(folder: Path, outputs: Mapping[str, Any]) -> dict[str, str]:
    """Write a row of pictures for each output that is pictures, into `pictures/`; nothing for others.

    Args:
        folder: of the run.
        outputs: by name, images (n, height, width, channels) or videos (n, frames, height, width, channels), floats in
            [0, 1]. Of videos the first frames are shown above the middle ones.

    Returns:
        By name, the file relative to the folder. What cannot be drawn or written is left out: pictures are a courtesy.
    """
    found: dict[str, str] = {}
    for number, (name, output) in enumerate(outputs.items()):
        sheet = draw_row(output)
        if sheet is None:
            continue
        file = f"{FOLDER}/{number:02d}-{_slug(name)}.png"
        try:
            (folder / FOLDER).mkdir(exist_ok=True)
            sheet.save(folder / file, optimize=True)
        except OSError:
            continue
        found[name] = file
    return found


def draw_row(output: Any) -> Image.Image | None:
    """Return the row of pictures of an output; None if it is no pictures."""
    array = np.asarray(output)
    if array.ndim not in (4, 5) or array.dtype.kind != "f" or array.shape[-1] not in (1, 3) or not array.size:
        return None
    rows = [array] if array.ndim == 4 else [array[:, 0], array[:, array.shape[1] // 2]]
    small = [[_small(picture) for picture in row] for row in rows]
    width, height = small[0][0].size
    size = (len(array) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    for i, row in enumerate(small):
        for j, picture in enumerate(row):
            sheet.paste(picture, (j * (width + GAP), i * (height + GAP)))
    return sheet


def _small(picture: npt.NDArray[np.floating[Any]]) -> Image.Image:
    """A picture of 8 bits, at most so large."""
    levels = (np.nan_to_num(picture).clip(0, 1) * 255).round().astype(np.uint8)
    made = Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).convert("RGB")
    made.thumbnail((MOST, MOST), Image.Resampling.LANCZOS)
    return made


def _slug(name: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:40] or "pictures"
