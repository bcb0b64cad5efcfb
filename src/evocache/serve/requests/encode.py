"""Pictures as files."""

from __future__ import annotations

import io

from PIL import Image

from ..workers.task import Picture


def encode(picture: Picture, format: str = "png", quality: int = 100) -> bytes:
    """Encode a picture, or the first frame of a film.

    Args:
        picture: of RGB bytes.
        format: `png`, `webp` or `jpeg`.
        quality: 0 to 100, of `webp` and `jpeg`; `webp` of 100 is lossless.
    """
    length = picture.width * picture.height * 3
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.pixels[:length])
    file = io.BytesIO()
    if format == "webp":
        image.save(file, "webp", quality=quality, lossless=quality == 100)
    elif format == "jpeg":
        image.save(file, "jpeg", quality=max(1, min(quality, 95)))
    else:
        image.save(file, "png")
    return file.getvalue()
