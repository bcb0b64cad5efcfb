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
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import Error

Frame = npt.NDArray[np.uint8]

ENCODER = "libx264"
"""Of H.264; the one in PyAV's own wheels."""

QUALITY = 18
"""Constant rate factor of H.264: 0 is lossless, 23 the encoder's own choice, 18 hard to tell from the original."""

AHEAD = 5
"""Frames that H.264 looks ahead, to spend bits where they serve most. Files double without; memory grows with more."""

THREADS = 4
"""Of the H.264 encoder at most, on machines with more cores; each holds frames."""

WEBP_QUALITY = 90
"""Of 100."""

SLOWEST = Fraction(1, 100)
"""Fewest frames a second; the longest delay of a GIF is 655 seconds."""


class FilmError(Error):
    """A film that cannot be written, or a frame that does not belong to it."""


class Reel(Protocol):
    """Where the frames of one format go. Frames of one size come in order; what goes wrong is an OSError."""

    def add(self, frame: Frame) -> None:
        """Take the next frame, and keep no reference to it."""

    def finish(self) -> None:
        """Write what remains, and close."""

    def drop(self) -> None:
        """Close, whatever state it is in; what was written is of no use."""


class Format(NamedTuple):
    """How films of one suffix are written.

    Attributes:
        reel: made from a path at which there is nothing yet, and frames a second.
        longest: most pixels along a side.
        fastest: most frames a second.
    """

    reel: Callable[[Path, Fraction], Reel]
    longest: int
    fastest: int


class Film:
    """A video that is being written; `film` opens one.

    Attributes:
        path: where it will appear.
        frames: how many were written.
    """

    def __init__(self, path: Path, reel: Reel, longest: int) -> None:
        self.path = path
        self.frames = 0
        self._reel = reel
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
            self._reel.add(np.ascontiguousarray(frame))
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
        self._reel.finish()


@contextmanager
def film(path: str | os.PathLike[str], *, fps: float | Fraction = 8) -> Iterator[Film]:
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
        reel = kind.reel(draft, rate)
    except OSError as error:
        raise _unwritable(target, error) from error
    out = Film(target, reel, kind.longest)
    try:
        yield out
        try:
            out._finish()
            os.replace(draft, target)
        except OSError as error:
            raise _unwritable(target, error) from error
    except BaseException:
        out._state = "closed"
        reel.drop()
        _remove(draft)
        raise


class _Mp4:
    """H.264 in MP4 by PyAV, which reads the finished file again to put its index in front."""

    def __init__(self, path: Path, rate: Fraction) -> None:
        import av

        try:
            av.codec.Codec(ENCODER, "w")
        except ValueError as error:
            given = f"PyAV {av.__version__} without {ENCODER}"
            raise FilmError(given, "a build that has it", "pip install av, or write .webp or .gif") from error
        path.open("xb").close()
        self._av, self._path, self._rate = av, path, rate
        self._container: Any = None
        self._stream: Any = None
        self._count = 0

    def add(self, frame: Frame) -> None:
        rows, columns = (side % 2 for side in frame.shape[:2])
        if rows or columns:
            frame = np.pad(frame, ((0, rows), (0, columns), (0, 0)), mode="edge")
        with self._failures():
            if self._container is None:
                self._open(*frame.shape[:2])
            picture = self._av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            picture.pts, picture.time_base = self._count, 1 / self._rate
            self._container.mux(self._stream.encode(picture))
        self._count += 1

    def finish(self) -> None:
        with self._failures():
            self._container.mux(self._stream.encode(None))
            self._container.close()

    def drop(self) -> None:
        if self._container is not None:
            with suppress(OSError), self._failures():
                self._container.close()

    def _open(self, height: int, width: int) -> None:
        self._container = self._av.open(str(self._path), "w", format="mp4", options={"movflags": "+faststart"})
        options = {"crf": str(QUALITY), "preset": "medium", "rc-lookahead": str(AHEAD)}
        self._stream = self._container.add_stream(ENCODER, rate=self._rate, options=options)
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, "yuv420p"
        context = self._stream.codec_context
        context.thread_count = THREADS
        # BT.709 in the limited range, and said so: players guess otherwise, and guess differently.
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """PyAV's errors as OSErrors, which only some of them are."""
        try:
            yield
        except self._av.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error


class _Written:
    """A file that frames are added to one by one."""

    units: ClassVar[int]
    """Of time, in a second."""

    def __init__(self, path: Path, rate: Fraction) -> None:
        self._file = path.open("xb")
        self._rate = rate
        self._count = 0

    def add(self, frame: Frame) -> None:
        from PIL import Image

        height, width = frame.shape[:2]
        if not self._count:
            self._file.write(self.head(width, height))
        due = [round(n * self.units / self._rate) for n in (self._count, self._count + 1)]
        self._file.write(self.page(Image.fromarray(frame), due[1] - due[0]))
        self._file.flush()  # a full disk is noticed here, not at the end
        self._count += 1

    def finish(self) -> None:
        self._file.write(self.tail())
        self._file.close()

    def drop(self) -> None:
        with suppress(OSError):
            self._file.close()

    def head(self, width: int, height: int) -> bytes:
        raise NotImplementedError

    def page(self, picture: Any, duration: int) -> bytes:
        raise NotImplementedError

    def tail(self) -> bytes:
        return b""


class _Gif(_Written):
    """GIF89a without a global colour table; it repeats for ever."""

    units = 100

    def head(self, width: int, height: int) -> bytes:
        return struct.pack("<6sHHBBB", b"GIF89a", width, height, 0x70, 0, 0) + b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"

    def page(self, picture: Any, duration: int) -> bytes:
        from PIL.GifImagePlugin import getdata

        picture = picture.quantize(256)  # by median cut: slow, but much nearer than the quick ways
        return b"".join(getdata(picture, duration=10 * duration, include_color_table=True, interlace=0))

    def tail(self) -> bytes:
        return b";"


class _Webp(_Written):
    """Animated WebP (RFC 9649): RIFF with VP8X and ANIM in front, then an ANMF for each frame; it repeats for ever."""

    units = 1000

    def head(self, width: int, height: int) -> bytes:
        self._size = _three(width - 1) + _three(height - 1)
        animated = b"\x02\0\0\0"
        return b"RIFF\0\0\0\0WEBP" + _chunk(b"VP8X", animated + self._size) + _chunk(b"ANIM", b"\0" * 6)

    def page(self, picture: Any, duration: int) -> bytes:
        still = BytesIO()
        picture.save(still, "WEBP", quality=WEBP_QUALITY)
        opaque = b"\x02"
        # A file of one picture is a RIFF of 12 bytes, and then the chunk that an animation has, too.
        return _chunk(b"ANMF", _three(0) * 2 + self._size + _three(duration) + opaque + still.getbuffer()[12:])

    def finish(self) -> None:
        size = self._file.tell() - 8
        if size >= 1 << 32:
            raise OSError(None, "WebP files end at 4 GiB")
        self._file.seek(4)
        self._file.write(struct.pack("<I", size))
        self._file.close()


class _Pngs:
    """A folder of numbered PNG files."""

    def __init__(self, path: Path, rate: Fraction) -> None:
        path.mkdir()
        self._folder = path
        self._count = 0

    def add(self, frame: Frame) -> None:
        from PIL import Image

        # A fifth larger than at Pillow's own level 6, and five times as fast.
        Image.fromarray(frame).save(self._folder / f"{self._count:05}.png", compress_level=1)
        self._count += 1

    def finish(self) -> None:
        pass

    def drop(self) -> None:
        pass


FORMATS: Mapping[str, Format] = {
    ".mp4": Format(_Mp4, 16384, 1000),
    ".gif": Format(_Gif, 65535, 50),  # browsers take delays of less than 2 hundredths for 10
    ".webp": Format(_Webp, 16383, 1000),
    "": Format(_Pngs, (1 << 31) - 1, 1000),
}
"""Formats by suffix."""


def _chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a RIFF file; data of an even length."""
    return name + struct.pack("<I", len(data)) + data


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


def _rate(fps: float | Fraction, fastest: int) -> Fraction:
    if not (isinstance(fps, (int, float, Fraction)) and math.isfinite(fps) and SLOWEST <= fps <= fastest):
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
