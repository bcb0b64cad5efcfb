"""Videos of glyphs that move, turn, grow or shrink."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from evocache.zoo.motions import FRAMES, MOTIONS, STILL
from training import data

#: What a video shows, by number: the motions that have words, and none.
KINDS: tuple[str, ...] = (*MOTIONS, STILL)

#: Pixels from the middle to either end of a move.
TRAVEL = 8.0
#: Angle from upright at either end of a turn: seen from start to end it is a third of a circle.
TURN = math.pi / 3
#: Sizes of the glyph, 1 as in the pictures: small enough never to cross the border.
MOVING_SIZE, TURNING_SIZE, SMALLEST = 0.7, 0.8, 0.5

_WAY = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def poses(motion: str, rng: np.random.Generator, frames: int = FRAMES, slowest: float = 0.9) -> data.Floats:
    """(frames, 4): size, clockwise angle in radians, pixels to the right, pixels down.

    Half way every move and turn passes the upright pose in the middle of the picture, a little
    varied. A video goes a share of the whole way that is drawn between `slowest` and 1.
    """
    time = np.linspace(-1, 1, frames, dtype=np.float32)
    size, angle, right, down = np.ones(frames), np.zeros(frames), np.zeros(frames), np.zeros(frames)
    verb, _, way = motion.partition(" ")
    speed = rng.uniform(slowest, 1.0)
    if verb == "moving":
        size = np.full(frames, MOVING_SIZE)
        right, down = (TRAVEL * speed * step * time for step in _WAY[way])
    elif verb == "turning":
        size = np.full(frames, TURNING_SIZE)
        angle = TURN * speed * time * (1 if way == "clockwise" else -1)
    elif motion in ("growing", "shrinking"):
        # Equal ratios from frame to frame.
        size = SMALLEST ** (speed * (1 - (time if motion == "growing" else -time)) / 2)
    elif motion != STILL:
        raise ValueError(f"{motion!r} is none of {KINDS}")
    if motion == STILL:
        right, down = (value + rng.integers(-data.SHIFT, data.SHIFT + 1) for value in (right, down))
    else:
        right, down = (value + rng.uniform(-0.5, 0.5) for value in (right, down))
        size = size * rng.uniform(0.97, 1.0)
    return np.stack([size, angle, right, down], 1).astype(np.float32)


def transform(canvas: data.Floats, pose: data.Floats) -> data.Floats:
    """Glyphs (n, 48, 48, 4) in poses (n, 4): (n, 48, 48, 4), colour premultiplied."""
    side = canvas.shape[1]
    size, angle, right, down = torch.from_numpy(pose).unbind(1)
    cos, sin = angle.cos() / size, angle.sin() / size
    # From places in the frame to places in the glyph: shift back, turn back, then scale; half sides are 1.
    x, y = 2 * right / side, 2 * down / side
    rows = torch.stack(
        [
            torch.stack([cos, sin, -(cos * x + sin * y)], 1),
            torch.stack([-sin, cos, sin * x - cos * y], 1),
        ],
        1,
    )
    # Sampled twice as fine and averaged, so that a small glyph does not lose lines between samples.
    grid = functional.affine_grid(rows, [len(canvas), 4, 2 * side, 2 * side], align_corners=False)
    channels = torch.from_numpy(np.ascontiguousarray(canvas.transpose(0, 3, 1, 2)))
    fine = functional.grid_sample(channels, grid, align_corners=False)
    return functional.avg_pool2d(fine, 2).permute(0, 2, 3, 1).numpy()


def render(
    glyph: data.Floats, colour: data.Floats, motion: str, rng: np.random.Generator, slowest: float = 0.9
) -> data.Floats:
    """A video (frames, 48, 48, 3) in [0, 1] of a glyph (48, 48, 4), flipped half the time, on a colour (3,)."""
    if rng.random() < 0.5:
        glyph = glyph[:, ::-1]
    pose = poses(motion, rng, slowest=slowest)
    if motion == STILL:
        # Whole pixels, as in the pictures; not resampled.
        right, down = pose[0, 2:].astype(int)
        placed = np.repeat(np.roll(glyph, (down, right), (0, 1))[None], len(pose), axis=0)
    else:
        placed = transform(np.repeat(glyph[None], len(pose), axis=0), pose)
    return data.blend(placed, np.repeat(colour[None], len(pose), axis=0))
