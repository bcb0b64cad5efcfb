"""Noto Color Emoji glyphs, composed onto plain backgrounds."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from evocache.zoo.prompts import BACKGROUNDS, CLASSES
from training.paths import CACHE, EMOJI_FONT, EMOJI_TEST

SIZE = 48
#: Longer side of a glyph in pixels: leaves room for shifts of +-2 pixels.
GLYPH = 42
SHIFT = 2

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def characters() -> dict[str, str]:
    """CLDR short name -> emoji, of every fully qualified emoji."""
    line = re.compile(r"^([0-9A-F ]+?)\s*; fully-qualified\s*# \S+ E\S+ (.+)$")
    found = {}
    for match in map(line.match, EMOJI_TEST.read_text(encoding="utf-8").splitlines()):
        if match:
            found[match[2]] = "".join(chr(int(code, 16)) for code in match[1].split())
    return found


def render(character: str) -> Floats:
    """One glyph centred on a transparent canvas: (48, 48, 4) in [0, 1], colour premultiplied."""
    # 109 is the only size of the font's bitmaps.
    font = ImageFont.truetype(str(EMOJI_FONT), 109)
    image = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((12, 12), character, font=font, embedded_color=True)
    image = image.crop(image.getbbox())
    pixels = np.asarray(image, np.float32) / 255
    pixels[..., :3] *= pixels[..., 3:]
    scale = GLYPH / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    # Premultiplied channels are resized one by one: no dark fringe at the edges.
    small = np.stack(
        [
            np.asarray(
                Image.fromarray(pixels[..., channel]).resize(
                    (width, height), Image.Resampling.BOX if scale > 1 else Image.Resampling.HAMMING
                )
            )
            for channel in range(4)
        ],
        axis=-1,
    )
    canvas = np.zeros((SIZE, SIZE, 4), np.float32)
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    canvas[top : top + height, left : left + width] = small
    return np.clip(canvas, 0, 1)


def glyphs() -> Floats:
    """All classes, rendered once and kept: (classes, 48, 48, 4)."""
    path = CACHE / "glyphs.npz"
    if path.exists():
        stored = np.load(path)
        if tuple(stored["names"]) == CLASSES:
            return stored["glyphs"].astype(np.float32)
    by_name = characters()
    rendered = np.stack(
        # The face of an animal says more in 48 pixels than the whole animal.
        [render(by_name.get(f"{name} face") or by_name[name]) for name in CLASSES]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, names=np.array(CLASSES), glyphs=rendered.astype(np.float16))
    return rendered


def palette() -> Floats:
    """Background colours: (backgrounds, 3) in [0, 1]."""
    return np.array(list(BACKGROUNDS.values()), np.float32) / 255


def place(canvas: Floats, flips: NDArray[np.bool_], shifts: Ints) -> Floats:
    """Flip glyphs (n, 48, 48, 4) and shift them by (n, 2) pixels."""
    placed = np.empty_like(canvas)
    for row, (image, flip, (down, right)) in enumerate(zip(canvas, flips, shifts, strict=True)):
        # The margin is wider than the shift, so what rolls over the edge is empty.
        placed[row] = np.roll(image[:, ::-1] if flip else image, (down, right), (0, 1))
    return placed


def blend(placed: Floats, colours: Floats) -> Floats:
    """Glyphs (n, 48, 48, 4) over plain colours (n, 3): (n, 48, 48, 3)."""
    return placed[..., :3] + (1 - placed[..., 3:]) * colours[:, None, None, :]


def compose(canvas: Floats, colours: Floats, flips: NDArray[np.bool_], shifts: Ints) -> Floats:
    return blend(place(canvas, flips, shifts), colours)


def random_batch(
    canvas: Floats, rng: np.random.Generator, n: int, *, odd_colours: float = 0.0
) -> tuple[Floats, Ints, Ints, Floats]:
    """Images (n, 48, 48, 3), class and background numbers (n,), glyph masks (n, 48, 48).

    A share `odd_colours` of the backgrounds is of a random colour (background number -1).
    """
    kinds = rng.integers(len(canvas), size=n)
    colours = palette()
    grounds = rng.integers(len(colours), size=n)
    chosen = colours[grounds]
    odd = rng.random(n) < odd_colours
    chosen = np.where(odd[:, None], rng.random((n, 3), dtype=np.float32), chosen)
    flips = rng.random(n) < 0.5
    shifts = rng.integers(-SHIFT, SHIFT + 1, size=(n, 2))
    placed = place(canvas[kinds], flips, shifts)
    images = blend(placed, chosen.astype(np.float32))
    return images, kinds, np.where(odd, -1, grounds), np.ascontiguousarray(placed[..., 3])
