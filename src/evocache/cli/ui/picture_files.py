"""Files of pictures and videos: names that say how they were made, and the same as metadata."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError, printable

if TYPE_CHECKING:
    from PIL.Image import Image

FPS = 8
"""Frames a second of videos."""


def make_slug(text: str, most: int = 48) -> str:
    """Make a part of a file name from a text: lower-case words with dashes, at most so many characters."""
    words = re.findall(r"\w+", text.lower())
    name = words[0][:most] if words else "image"
    for word in words[1:]:
        if len(name) + 1 + len(word) > most:
            break
        name += f"-{word}"
    return name


def name_file(number: int, prompt: str, seed: int, settings: Mapping[str, Any], further: Mapping[str, Any]) -> str:
    """Name a file readably, without a suffix: another name for every picture of a call and all settings.

    `0003-red-heart-on-a-white-background-seed42-20steps-g2.5-fora-2`

    Args:
        number: of the picture in its call.
        prompt: what it shows.
        seed: of its noise.
        settings: `steps`, `guidance` and `schedule`, where they are known.
        further: whatever else it depends on; six letters at the end stand for it, if there is any, and for what the
            name had to shorten.
    """
    schedule = str(settings.get("schedule", "uncached"))
    parts = [f"{number:04d}", make_slug(prompt), f"seed{seed}"]
    parts += [f"{settings['steps']}steps"] if settings.get("steps") is not None else []
    parts += [f"g{settings['guidance']:g}"] if settings.get("guidance") is not None else []
    parts.append(make_slug(schedule, 24))
    rest = dict(further)
    for text, most in ((prompt, 48), (schedule, 24)):
        if re.sub(r"[\s:,]+", "-", text) != make_slug(text, most):
            rest[f"whole {most}"] = text
    if rest:
        parts.append(hashlib.sha256(json.dumps(rest, sort_keys=True, default=_digest_content).encode()).hexdigest()[:6])
    return "-".join(parts)


def _digest_content(value: Any) -> str:
    """Digest a value that is no JSON, such as a picture."""
    return hashlib.sha256(pickle.dumps(value)).hexdigest()


def save_picture(frames: Sequence[Image], path: Path, metadata: Mapping[str, Any], kind: str = ".mp4") -> Path:
    """Write an image as PNG with metadata as text chunks, one a key; or a video, with its metadata as JSON beside it.

    Args:
        frames: one, or those of a video.
        path: without a suffix.
        metadata: how it was made.
        kind: suffix of videos; none for a folder of PNG files.

    Returns:
        The path of what was written.

    Raises:
        InputError: if the file cannot be written.
        FilmError: if a video cannot.
    """
    texts = {printable(key): printable(str(value)) for key, value in metadata.items()}
    try:
        if len(frames) > 1:
            return _save_video(frames, path, texts, kind)
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        for key, text in texts.items():
            info.add_text(key, text)
        target = path.with_name(f"{path.name}.png")
        frames[0].save(target, format="PNG", pnginfo=info)
        return target
    except OSError as error:
        why = (error.strerror or "cannot be written").lower()
        raise InputError(f"{str(path)!r} ({why})", "a file that can be written", "choose another --out") from None


def _save_video(frames: Sequence[Image], path: Path, texts: Mapping[str, str], kind: str) -> Path:
    import shutil

    import numpy as np

    from ...video.writer import film

    target = path.with_name(f"{path.name}{kind}")
    if not kind and target.is_dir():
        shutil.rmtree(target)  # of the same name, so of the same settings
    with film(target, fps=FPS) as out:
        for frame in frames:
            out.write(np.asarray(frame.convert("RGB")))
    path.with_name(f"{path.name}.json").write_text(json.dumps(texts, indent=2, ensure_ascii=False), encoding="utf-8")
    return target
