"""The formats of films: what becomes of frames that come one by one, and are not kept."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import FilmError
from ..extras import optional

Frame = npt.NDArray[np.uint8]
"""A picture (height, width, 3), unsigned bytes."""

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


class FrameEncoder(ABC):
    """Where the frames of one format go. Frames of one size come in order; what goes wrong is an OSError."""

    @abstractmethod
    def add(self, frame: Frame) -> None:
        """Take the next frame, and keep no reference to it."""

    @abstractmethod
    def finish(self) -> None:
        """Write what remains, and close."""

    @abstractmethod
    def drop(self) -> None:
        """Close, whatever state it is in; what was written is of no use."""


class _Mp4(FrameEncoder):
    """H.264 in MP4 by PyAV, which reads the finished file again to put its index in front."""

    def __init__(self, path: Path, rate: Fraction) -> None:
        av = optional("av")
        try:
            av.codec.Codec(ENCODER, "w")
        except ValueError as error:
            given = f"PyAV {av.__version__} without {ENCODER}"
            raise FilmError(
                given, "a build that has it", "install another build of PyAV, or write .webp or .gif"
            ) from error
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


class _Animation(FrameEncoder):
    """One file of frames, each with the time that it is shown."""

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
        self.seal()
        self._file.close()

    def drop(self) -> None:
        with suppress(OSError):
            self._file.close()

    @abstractmethod
    def head(self, width: int, height: int) -> bytes:
        """What comes before the first frame."""

    @abstractmethod
    def page(self, picture: Any, duration: int) -> bytes:
        """A frame that is shown for so many units of time."""

    @abstractmethod
    def seal(self) -> None:
        """Write what has to be written after the last frame."""


class _Gif(_Animation):
    """GIF89a without a global colour table; it repeats for ever."""

    units = 100

    def head(self, width: int, height: int) -> bytes:
        return struct.pack("<6sHHBBB", b"GIF89a", width, height, 0x70, 0, 0) + b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"

    def page(self, picture: Any, duration: int) -> bytes:
        from PIL.GifImagePlugin import getdata

        picture = picture.quantize(256)  # by median cut: slow, but much nearer than the quick ways
        return b"".join(getdata(picture, duration=10 * duration, include_color_table=True, interlace=0))

    def seal(self) -> None:
        self._file.write(b";")


class _Webp(_Animation):
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

    def seal(self) -> None:
        size = self._file.tell() - 8
        if size >= 1 << 32:
            raise OSError(None, "WebP files end at 4 GiB")
        self._file.seek(4)
        self._file.write(struct.pack("<I", size))


class _Pngs(FrameEncoder):
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


class Format(NamedTuple):
    """How films of one suffix are written.

    Attributes:
        encoder: made from a path at which there is nothing yet, and frames a second.
        longest: most pixels along a side.
        fastest: most frames a second.
    """

    encoder: Callable[[Path, Fraction], FrameEncoder]
    longest: int
    fastest: int


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
