"""Pictures as files."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from ..workers.task import Picture

MODES = {1: "L", 3: "RGB"}
"""Of pictures by their channels."""


def encode(picture: Picture, format: str = "png", quality: int = 100) -> bytes:
    """Encode a picture, or the first frame of a film.

    Args:
        picture: the picture.
        format: `png`, `webp` or `jpeg`.
        quality: 0 to 100, of `webp` and `jpeg`; `webp` of 100 is lossless.
    """
    image = stack_frames(picture).crop((0, 0, picture.width, picture.height))
    if format == "webp":
        return encode_image(image, "webp", quality=quality, lossless=quality == 100)
    if format == "jpeg":
        return encode_image(image, "jpeg", quality=max(1, min(quality, 95)))
    return encode_image(image, "png")


def stack_frames(picture: Picture) -> Image.Image:
    """Return a picture, or all frames of a film one below the other, as an image: RGB, or L of one channel."""
    size = picture.width, picture.height * picture.frames
    return Image.frombytes(MODES[picture.channels], size, picture.pixels)


def encode_image(image: Image.Image, format: str, **settings: Any) -> bytes:
    """Return an image as a file.

    Args:
        image: the image.
        format: as Pillow names it.
        settings: of the format, as `Image.save` takes them.
    """
    file = io.BytesIO()
    image.save(file, format, **settings)
    return file.getvalue()
