"""What a pipeline returned, as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from ....errors import GenerationError

SIDE = 256
"""Most pixels of a preview's side."""

FRAMES = 8
"""Most frames of a video."""


def pictures_of(output: Any) -> list[Image.Image]:
    """Return what a pipeline returned as pictures of at most 256 pixels a side.

    Of a video they are some frames of the first one, evenly spread over what there is.

    Args:
        output: pictures or videos: of PIL, arrays `(..., height, width, channels)` or tensors `(..., channels, height,
            width)` with values in [0, 1], bare or in a mapping, a tuple or a list.

    Raises:
        GenerationError: if there are none.
    """
    for value in output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple) else [output]:
        found = _pictures(value)
        if found:
            return [_small(picture) for picture in found]
    raise GenerationError("a pipeline that returns no pictures", "one that returns pictures or a video", "see result()")


def _pictures(value: Any) -> list[Image.Image]:
    if isinstance(value, Image.Image):
        return [value]
    if isinstance(value, torch.Tensor):
        value = value.detach().float().cpu().movedim(-3, -1).numpy() if value.ndim >= 3 else None
    if isinstance(value, np.ndarray):
        while value.ndim > 4:
            value = _spread(value[0]) if value.ndim == 5 else value[0]
        ok = value.ndim in (3, 4) and value.shape[-1] in (1, 3, 4)
        return [_picture(each) for each in (value if value.ndim == 4 else value[None])] if ok else []
    if not isinstance(value, list) or not value:
        return []
    if isinstance(value[0], Image.Image):
        return value
    first = _pictures(value[0])
    if isinstance(value[0], list) or getattr(value[0], "ndim", 0) == 4:  # a video, of which there may be several
        return list(_spread(first))
    return [picture for each in value for picture in _pictures(each)]


def _spread(frames: Any) -> Any:
    """Some of the frames, evenly spread."""
    if len(frames) <= FRAMES:
        return frames
    places = [round(at * (len(frames) - 1) / (FRAMES - 1)) for at in range(FRAMES)]
    return [frames[at] for at in places] if isinstance(frames, list) else frames[places]


def _picture(values: Any) -> Image.Image:
    array = values if values.dtype == np.uint8 else (np.nan_to_num(values).clip(0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def _small(picture: Image.Image) -> Image.Image:
    picture = picture.copy()
    picture.thumbnail((SIDE, SIDE))
    return picture
