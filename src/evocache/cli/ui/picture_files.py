"""Picture files: readable names, and how the picture came to be as metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import printable
from .failures import InputError

if TYPE_CHECKING:
    from PIL.Image import Image


def slug(text: str, most: int = 48) -> str:
    """The text as part of a file name: lower-case words with dashes, at most so many characters."""
    words = re.findall(r"\w+", text.lower())
    name = words[0][:most] if words else "image"
    for word in words[1:]:
        if len(name) + 1 + len(word) > most:
            break
        name += f"-{word}"
    return name


def file_name(number: int, prompt: str, seed: int, schedule: str) -> str:
    """A readable name that is another one for every picture of a call, every seed and every schedule.

    `0003-red-heart-on-a-white-background-seed42-fora-2.png`
    """
    return f"{number:04d}-{slug(prompt)}-seed{seed}-{slug(schedule, 24)}.png"


def save_picture(frames: Sequence[Image], path: Path, metadata: Mapping[str, Any]) -> None:
    """Write an image, or a video as an animated PNG, with metadata as text chunks, one a key.

    Raises:
        InputError: if the file cannot be written.
    """
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in metadata.items():
        info.add_text(printable(key), printable(str(value)))
    film: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 125} if len(frames) > 1 else {}
    try:
        frames[0].save(path, format="PNG", pnginfo=info, **film)
    except OSError as error:
        why = (error.strerror or "cannot be written").lower()
        raise InputError(f"{str(path)!r} ({why})", "a file that can be written", "choose another --out") from None
