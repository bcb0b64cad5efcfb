"""Writing a video as its frames come, so that a decoded video is never held as a whole.

```python
with film("out.mp4", fps=8) as out:
    for frame in frames:  # (height, width, 3), unsigned bytes
        out.write(frame)
```

| suffix | what is written |
|---|---|
| `.mp4` | H.264, 4:2:0, constant quality; an odd side gets one more row or column, a copy of the last |
| `.gif` | up to 256 colours of its own for each frame; exact where a frame has no more |
| `.webp` | each frame by itself, lossy |
| none | a folder of `00000.png`, `00001.png`, ...; exact |

No frame is held after it is written. Only H.264 keeps copies, to look ahead and to refer to: 70 to 90 bytes a pixel in
all, however long the film (62 MiB at 1280 x 720); a frame is 3 as bytes, 12 as a decoder's floats.

The film appears under its name when it is complete. Until then it is a hidden draft beside it, which an exception
removes and a killed process leaves.
"""

from __future__ import annotations

import math
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import FilmError
from .formats import FORMATS, Frame, FrameEncoder

SLOWEST = Fraction(1, 100)
"""Fewest frames a second; the longest delay of a GIF is 655 seconds."""


class VideoWriter:
    """A video that is being written; `film` opens one.

    Attributes:
        path: where it will appear.
        frames: how many were written.
    """

    def __init__(self, path: Path, encoder: FrameEncoder, longest: int) -> None:
        self.path = path
        self.frames = 0
        self._encoder = encoder
        self._longest = longest
        self._shape: tuple[int, ...] | None = None
        self._state = "open"

    def write(self, frame: Frame) -> None:
        """Add a frame (height, width, 3), unsigned bytes.

        Raises:
            FilmError: if it is no such frame, not as large as those before, or cannot be written.
        """
        if self._state != "open":
            raise FilmError(
                f"a frame for {self.path}, which is {self._state}", "an open film", "open another with film"
            )
        self._check(frame)
        try:
            self._encoder.add(np.ascontiguousarray(frame))
        except BaseException as error:  # whatever it is, part of a frame may be written
            self._state = "damaged"
            if isinstance(error, OSError):
                raise _unwritable(self.path, error) from error
            raise
        self.frames += 1

    def _check(self, frame: object) -> None:
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            shape = getattr(frame, "shape", None)
            what = f" of shape {tuple(shape)}, {getattr(frame, 'dtype', '')}" if shape is not None else ""
            raise FilmError(
                f"a frame that is a {type(frame).__name__}{what}",
                "a numpy array (height, width, 3) of uint8",
                "from floats in [0, 1]: (frame * 255).round().astype('uint8'), channels last",
            )
        height, width = frame.shape[:2]
        if not 0 < min(height, width) <= max(height, width) <= self._longest:
            most = f"1 to {self._longest} pixels along each side for {self.path.suffix or 'png'}"
            raise FilmError(f"a frame of {height} x {width} pixels", most, "resize it, or choose another format")
        if self._shape is None:
            self._shape = frame.shape
        if frame.shape != self._shape:
            before = f"{self._shape[0]} x {self._shape[1]}, as frame 0"
            raise FilmError(
                f"frame {self.frames} of {height} x {width} pixels", before, "resize it, or open another film"
            )

    def _finish(self) -> None:
        """Write what remains.

        Raises:
            FilmError: if that does not work, did not work for a frame, or there is no frame.
        """
        if self._state == "damaged":
            given = f"{self.path} with frames that could not be written"
            raise FilmError(given, "every frame written", "write the film again, elsewhere")
        if not self.frames:
            raise FilmError(f"{self.path} without a frame", "at least one", "write frames before the film is closed")
        self._state = "closed"
        self._encoder.finish()


@contextmanager
def film(path: str | os.PathLike[str], *, fps: float | Fraction = 8) -> Iterator[VideoWriter]:
    """Open a film; the suffix of its name is its format. A file of that name is replaced when the film is complete.

    Args:
        path: ends in .mp4, .gif or .webp, or has no suffix: a folder of PNG files, which must not hold anything yet.
        fps: frames a second. GIF counts in hundredths of a second, WebP in thousandths: what one frame is shown too
            long, the next is shown shorter. A folder of PNG files does not know it.

    Raises:
        FilmError: if there is no such format, it is not made for so many frames a second, or the place cannot be
            written; at the end, if there is no frame.
    """
    target = Path(path)
    kind = FORMATS.get(target.suffix.lower())
    if kind is None or not target.name:
        known = ", ".join(suffix for suffix in FORMATS if suffix)
        given = f"a film named {str(path)!r}"
        raise FilmError(given, f"a name that ends in {known}, or a folder's without a dot", "choose one of these")
    rate = _rate(fps, kind.fastest)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        _vacant(target)
        encoder = kind.encoder(draft, rate)
    except OSError as error:
        raise _unwritable(target, error) from error
    out = VideoWriter(target, encoder, kind.longest)
    try:
        yield out
        try:
            out._finish()
            os.replace(draft, target)
        except OSError as error:
            raise _unwritable(target, error) from error
    except BaseException:
        out._state = "closed"
        encoder.drop()
        _remove(draft)
        raise


def _rate(fps: float | Fraction, fastest: int) -> Fraction:
    number = isinstance(fps, (int, float, Fraction)) and not isinstance(fps, bool)
    if not (number and math.isfinite(fps) and SLOWEST <= fps <= fastest):
        raise FilmError(
            f"fps={fps!r}", f"{float(SLOWEST)} to {fastest} frames a second", "choose another rate or format"
        )
    return Fraction(fps).limit_denominator(1001)


def _vacant(target: Path) -> None:
    """Check that a film may appear there.

    Raises:
        FilmError: if something else is there, or no folder to put it in.
    """
    if not target.parent.is_dir():
        raise FilmError(f"{target}, in a folder that is not there", "a folder that exists", f"create {target.parent}")
    if not target.suffix and target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise FilmError(f"{target}, which is there already", "a new or empty folder", "choose another, or empty it")
    if target.suffix and target.is_dir():
        raise FilmError(f"{target}, a folder", "the name of a file", "choose another name")


def _unwritable(target: Path, error: OSError) -> FilmError:
    why = (error.strerror or str(error) or type(error).__name__).lower()
    return FilmError(f"{target} ({why})", "a place where a film can be written", "choose another, or make room there")


def _remove(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
    with suppress(OSError):
        draft.unlink(missing_ok=True)
