"""Pictures that requests bring, read as strangers' files."""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import Request
from PIL import Image, ImageOps

from ..workers.task import Picture
from .errors import ApiError

BYTES, PIXELS = 50 << 20, 16 << 20
"""Most bytes of a file, and most pixels of what it holds: unpacking takes some 16 bytes a pixel."""

AT_ONCE = 2
"""Pictures that are unpacked at a time: a file of 60 kB can hold as many pixels as are allowed."""

FORMATS = ("PNG", "WEBP", "JPEG")


Read = TypeVar("Read")


def open_unpacking() -> ThreadPoolExecutor:
    """Return threads for pictures alone: what waits for its turn there holds none that keys, jobs and results need."""
    return ThreadPoolExecutor(AT_ONCE, "evocache pictures")


async def unpack(request: Request, read: Callable[[], Read]) -> Read:
    """Read pictures of a request's form in their turn, and then give back the place that its body had at the door."""
    read_ones = await asyncio.get_running_loop().run_in_executor(request.app.state.unpacking, read)
    request.state.body.leave()
    return read_ones


def read_picture(file: bytes, field: str, pixels: int = PIXELS) -> Picture:
    """Read a picture; what is transparent is white.

    Args:
        file: a PNG, WebP or JPEG.
        field: name of the form's field, for what is said.
        pixels: most that it may hold; it is not unpacked before that is known.

    Raises:
        ApiError: if it is none, too large, or more than one.
    """
    return _read(file, field, pixels, _on_white)


def read_mask(file: bytes, field: str, pixels: int = PIXELS) -> Picture:
    """Read a mask, white where a picture is to be made anew: where it is transparent, or, if opaque, where it is light.

    Raises:
        ApiError: if it is none, too large, or more than one.
    """
    return _read(file, field, pixels, _to_change)


def _read(file: bytes, field: str, pixels: int, shape: Callable[[Image.Image], Image.Image]) -> Picture:
    if len(file) > BYTES:
        raise ApiError(413, f"{field}: a file of more than {BYTES} bytes", code="file_too_large", param=field)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, which are looked at here
            image = Image.open(io.BytesIO(file), formats=FORMATS)
            if image.width * image.height > pixels:
                said = f"{field}: {image.width}x{image.height} pixels; at most {pixels} are read"
                raise ApiError(413, said, code="picture_too_large", param=field)
            if getattr(image, "n_frames", 1) > 1:
                raise ApiError(400, f"{field}: a film; one picture is taken", code="invalid_image", param=field)
            image.load()
            shaped = shape(ImageOps.exif_transpose(image) or image)
    except ApiError:
        raise
    except Image.DecompressionBombError as error:
        said = f"{field}: at most {pixels} pixels are read"
        raise ApiError(413, said, code="picture_too_large", param=field) from error
    except Exception as error:  # decoders raise many kinds for files that are none
        said = f"{field}: no picture that can be read; PNG, WebP and JPEG are taken"
        raise ApiError(400, said, code="invalid_image", param=field) from error
    channels = len(shaped.getbands())
    return Picture(shaped.tobytes(), shaped.width, shaped.height, channels=channels)


def _on_white(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    ground = Image.new("RGBA", clear.size, "white")
    ground.alpha_composite(clear)
    return ground.convert("RGB")


def _to_change(image: Image.Image) -> Image.Image:
    if "A" in image.getbands() or "transparency" in image.info:
        return ImageOps.invert(image.convert("RGBA").getchannel("A"))
    return image.convert("L")
