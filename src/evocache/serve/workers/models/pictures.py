"""Pictures and films: given ones as a pipeline takes them, and whatever a pipeline returns as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ....errors import GenerationError, InputError
from ..task import Picture

Bytes = npt.NDArray[np.uint8]

MODES = {1: "L", 3: "RGB"}
"""Names that PIL has for numbers of channels."""


def open_picture(picture: Picture) -> Image.Image | list[Image.Image]:
    """Return a given picture as PIL has it; a film as a list of its frames.

    Raises:
        InputError: if it has not as many bytes as its size says.
    """
    size = picture.width * picture.height * picture.channels
    if picture.channels not in MODES or not size or size * picture.frames != len(picture.pixels) or picture.frames < 1:
        shape = f"{picture.frames}x{picture.height}x{picture.width}x{picture.channels}"
        given = f"a picture of {shape} in {len(picture.pixels)} bytes"
        raise InputError(given, "a byte for each number, and 1 or 3 channels", "send it whole")
    frames = [picture.pixels[at : at + size] for at in range(0, len(picture.pixels), size)]
    mode = MODES[picture.channels]
    opened = [Image.frombytes(mode, (picture.width, picture.height), frame) for frame in frames]
    return opened[0] if picture.frames == 1 else opened


def take_picture(output: Any) -> Picture:
    """Return the first picture or film of what a pipeline returned, as numbers.

    Args:
        output: pictures or films: of PIL, arrays `(..., height, width, channels)` or tensors `(..., channels, height,
            width)` with values in [0, 1], bare or in a mapping, a tuple or a list; several, or one. What is called
            `frames` is films.

    Raises:
        GenerationError: if there are none.
    """
    bare = output if isinstance(output, tuple) else (output,)
    for name, value in output.items() if isinstance(output, Mapping) else (("", value) for value in bare):
        frames = _frames(value, name == "frames")
        if frames is not None:
            return to_picture(frames)
    raise GenerationError("a pipeline that returns no pictures", "one that returns pictures or a film", "try another")


def is_film(output: Any) -> bool:
    """Return whether what a pipeline returned is called frames, or is more than one."""
    return (isinstance(output, Mapping) and "frames" in output) or take_picture(output).frames > 1


def to_picture(frames: Bytes) -> Picture:
    """Return frames `(frames, height, width, channels)` as a picture; of four channels, the fourth is left out."""
    count, height, width, channels = frames.shape
    kept = frames[..., :3] if channels == 4 else frames
    return Picture(np.ascontiguousarray(kept).tobytes(), width, height, count, kept.shape[-1])


def from_pil(pictures: Sequence[Image.Image]) -> Picture:
    """Return pictures of PIL, frames of one film if they are several, as numbers."""
    return to_picture(np.stack([_array(picture) for picture in pictures]))


def _frames(value: Any, film: bool) -> Bytes | None:
    """The first picture or film `(frames, height, width, channels)` of a value; None if it is none."""
    if isinstance(value, Image.Image):
        return _array(value)[None]
    if isinstance(value, torch.Tensor):
        value = value.detach().float().cpu().movedim(-3, -1).numpy() if value.ndim >= 3 else None
    if isinstance(value, np.ndarray):
        while value.ndim > 4 or (value.ndim == 4 and not film):  # several: the first
            film, value = film or value.ndim == 5, value[0]
        ok = value.ndim in (3, 4) and value.shape[-1] in (1, 3, 4)
        return _bytes(value if value.ndim == 4 else value[None]) if ok else None
    if not isinstance(value, (list, tuple)) or not value:
        return None
    if isinstance(value[0], (list, tuple)) or getattr(value[0], "ndim", 0) > 3:  # films
        return _frames(value[0], True)
    found = [_frames(each, False) for each in (value if film else value[:1])]
    return None if any(each is None for each in found) else np.concatenate([each for each in found if each is not None])


def _array(picture: Image.Image) -> Bytes:
    """A picture as `(height, width, 1 or 3)`."""
    array = np.asarray(picture if picture.mode in ("L", "RGB") else picture.convert("RGB"))
    return array[..., None] if array.ndim == 2 else array


def _bytes(values: npt.NDArray[Any]) -> Bytes:
    """Values in [0, 1] as bytes, rounded as diffusers does for pictures of PIL."""
    if values.dtype == np.uint8:
        return values
    found: Bytes = (np.nan_to_num(values).clip(0, 1) * 255).round().astype(np.uint8)
    return found
