"""What was made, as files of a job's result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ...extras import installed
from ...video.writer import film
from ..jobs.files import ResultFiles
from ..jobs.record import JobRecord, ResultFile
from ..requests.encode import encode, encode_image
from ..workers.task import Picture

THUMBNAIL, SHEET = 256, 4096
"""Most pixels of a side of a thumbnail, and of a sheet of all frames."""


def keep_film(files: ResultFiles, job: JobRecord, picture: Picture, frames_per_second: int) -> tuple[ResultFile, ...]:
    """Keep a film, its middle frame in small, and a sheet of its frames.

    It is MP4 where PyAV is installed (`evocache[video]`), else WebP, which browsers play as well.

    Args:
        files: where.
        job: whose it is.
        picture: the film.
        frames_per_second: of it.

    Raises:
        StoreError: if a file cannot be written; QuotaError if the disk is full.
    """
    frames = frames_of(picture)

    def write(path: Path) -> None:
        with film(path, fps=frames_per_second) as out:
            for frame in frames:
                out.write(frame)

    media = "video/mp4" if installed("av") else "image/webp"
    thumbnail = _webp(_small(Image.fromarray(frames[len(frames) // 2]), THUMBNAIL))
    return (
        files.make(job, "video", media, write),
        files.keep(job, "thumbnail", "image/webp", thumbnail),
        files.keep(job, "spritesheet", "image/webp", _webp(sheet_of(frames))),
    )


def keep_pictures(files: ResultFiles, job: JobRecord, pictures: Sequence[Picture]) -> tuple[ResultFile, ...]:
    """Keep pictures as PNG: `picture-0` and so on."""
    return tuple(files.keep(job, f"picture-{at}", "image/png", encode(picture)) for at, picture in enumerate(pictures))


def frames_of(picture: Picture) -> np.ndarray:
    """Return the frames of a film, uint8[frames, height, width, 3]."""
    shape = picture.frames, picture.height, picture.width, 3
    return np.frombuffer(picture.pixels, np.uint8).reshape(shape)


def sheet_of(frames: np.ndarray) -> Image.Image:
    """Return all frames side by side, in as many columns as rows, at most `SHEET` pixels a side."""
    count, height, width, _ = frames.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = min(1.0, SHEET / (columns * width), SHEET / (rows * height))
    cell = max(1, int(width * scale)), max(1, int(height * scale))
    sheet = Image.new("RGB", (columns * cell[0], rows * cell[1]))
    for at, frame in enumerate(frames):
        sheet.paste(Image.fromarray(frame).resize(cell), (at % columns * cell[0], at // columns * cell[1]))
    return sheet


def _small(image: Image.Image, side: int) -> Image.Image:
    copy = image.copy()
    copy.thumbnail((side, side))
    return copy


def _webp(image: Image.Image) -> bytes:
    return encode_image(image, "webp", quality=90)
