"""A result as bytes, without loss, and back: PNG, lossless WebP or differences of frames, whichever is smallest."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from PIL import Image

from ..requests.answer import Account
from ..requests.encode import encode_image, stack_frames
from ..workers.task import Picture

Format = Literal["png", "webp", "zlib"]

WEBP_SIDE, WEBP_PIXELS = 16_383, 4 << 20
"""Most pixels of a side that WebP has, and of all for which the seconds that it takes are worth the bytes."""

PNG_PIXELS = 64 << 20
"""Most pixels that are read from a PNG."""

LEVEL = 6
"""Of zlib."""


@dataclass(frozen=True)
class StoredResult:
    """A result, and what is said of how it was made.

    Attributes:
        file: the pixels, in the format.
        format: `png` or `webp` of all frames one below the other, or `zlib` of their differences.
        width: in pixels.
        height: of a frame.
        frames: 1 for a picture.
        channels: 3, or 1.
        point: label of the front's point.
        speedup: of the point.
        quality: of the point.
        seconds: that making it took.
        notes: what else is to be said of it, but not of how it ran.
    """

    file: bytes = field(repr=False)
    format: Format
    width: int
    height: int
    frames: int
    channels: int
    point: str
    speedup: float | None
    quality: float | None
    seconds: float
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, picture: Picture, account: Account) -> StoredResult:
        """Return what was made as it is stored; takes the time that encoding takes."""
        format, file = _smallest(picture)
        return cls(
            file,
            format,
            picture.width,
            picture.height,
            picture.frames,
            picture.channels,
            account.point,
            account.speedup,
            account.quality,
            account.seconds.get("compute", 0.0),
            account.notes,
        )

    @property
    def picture(self) -> Picture:
        """What was made, to the bit.

        Raises:
            ValueError: if the file is damaged.
        """
        shape = self.frames, self.height, self.width, self.channels
        if self.format == "zlib":
            changes = np.frombuffer(zlib.decompress(self.file), np.uint8).reshape(shape)
            pixels = np.cumsum(changes, axis=0, dtype=np.uint8).tobytes()
        else:
            with Image.open(io.BytesIO(self.file), formats=[self.format.upper()]) as image:
                pixels = image.convert("L" if self.channels == 1 else "RGB").tobytes()
        if len(pixels) != int(np.prod(shape)):
            raise ValueError(f"{len(pixels)} bytes of pixels for {shape}")
        return Picture(pixels, self.width, self.height, self.frames, self.channels)

    @property
    def files(self) -> Mapping[str, bytes]:
        """The file by its format, if it is one that others read."""
        return {self.format: self.file} if self.frames == 1 and self.format != "zlib" else {}

    def to_bytes(self) -> bytes:
        """Return it as bytes: a line of JSON, and the file."""
        said = {name: value for name, value in vars(self).items() if name != "file"}
        return json.dumps(said, separators=(",", ":")).encode() + b"\n" + self.file

    @classmethod
    def from_bytes(cls, content: bytes) -> StoredResult:
        """Read it from bytes.

        Raises:
            ValueError: if they are none.
        """
        line, _, file = content.partition(b"\n")
        try:
            said: dict[str, Any] = json.loads(line)
            return cls(file=file, **{**said, "notes": tuple(said["notes"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"no result that is stored: {error}") from error


def _smallest(picture: Picture) -> tuple[Format, bytes]:
    shape = picture.frames, picture.height, picture.width, picture.channels
    frames = np.frombuffer(picture.pixels, np.uint8).reshape(shape)
    tall = frames.reshape(-1, *shape[2:]) if picture.channels > 1 else frames.reshape(-1, picture.width)
    pixels, found = tall.shape[0] * tall.shape[1], dict[Format, bytes]()
    if picture.frames > 1 or pixels > PNG_PIXELS:
        changes = np.diff(frames, axis=0, prepend=np.zeros_like(frames[:1]))  # modulo 256, as the sums are
        found["zlib"] = zlib.compress(changes.tobytes(), LEVEL)
    image = stack_frames(picture)
    if pixels <= WEBP_PIXELS and picture.channels == 3 and max(tall.shape[:2]) <= WEBP_SIDE:
        found["webp"] = encode_image(image, "webp", lossless=True)
    if picture.frames == 1 and pixels <= PNG_PIXELS:
        found["png"] = encode_image(image, "png")
    return min(found.items(), key=lambda one: len(one[1]))
