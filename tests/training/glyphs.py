"""Shapes that stand in for rendered emoji, where no font is at hand."""

import numpy as np

from training.data import GLYPH, SIZE, Floats

EDGE = (SIZE - GLYPH) // 2


def square() -> Floats:
    """As large as a glyph may be: (48, 48, 4), white."""
    canvas = np.zeros((SIZE, SIZE, 4), np.float32)
    canvas[EDGE:-EDGE, EDGE:-EDGE] = 1
    return canvas


def pointer() -> Floats:
    """A bar from the middle to the top: (48, 48, 4), white."""
    canvas = np.zeros((SIZE, SIZE, 4), np.float32)
    canvas[EDGE : SIZE // 2, SIZE // 2 - 3 : SIZE // 2 + 3] = 1
    return canvas


def centres(video: Floats) -> Floats:
    """(frames, 2): right and down of the centre of what is bright, from the middle in pixels, of (frames, h, w, 3)."""
    mass = video.mean(-1)
    places = np.arange(mass.shape[1]) - (mass.shape[1] - 1) / 2
    total = mass.sum((1, 2))
    return np.stack([mass.sum(1) @ places / total, mass.sum(2) @ places / total], 1)
