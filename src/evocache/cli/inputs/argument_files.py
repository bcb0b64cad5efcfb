"""Files as arguments of a pipeline's call: pictures, masks, tensors, JSON and texts, by their suffix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import CodecError, InputError

if TYPE_CHECKING:
    from PIL.Image import Image

Pictures = Annotated[
    list[Path] | None,
    typer.Option("--image", metavar="FILE", help="A picture to start from, or to be guided by; may be repeated."),
]
Mask = Annotated[
    Path | None, typer.Option("--mask", metavar="FILE", help="With --image: white is painted, black is kept.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Another argument of the call: JSON, a text, or @FILE (picture, tensor, JSON).",
    ),
]

MAX_PICTURE = 1 << 26
"""Most pixels of a picture."""

MAX_TENSOR = 1 << 30
"""Most bytes of a tensor's file."""


def read_argument(path: Path) -> Any:
    """Read what a file holds, by its suffix.

    Raises:
        InputError: if it cannot be read, is too large, or is of no kind that can be given to a pipeline.
    """
    for suffixes, reader in READERS.items():
        if path.suffix.lower() in suffixes:
            return reader(path)
    known = ", ".join(suffix for suffixes in READERS for suffix in suffixes)
    raise InputError(f"file {str(path)!r}", f"one of {known}", "save it as one of these")


def read_picture(path: Path) -> Image:
    """Read a picture in RGB, upright.

    Raises:
        InputError: if it is none, or too large.
    """
    return _open_picture(path, "RGB")


def read_mask(path: Path) -> Image:
    """Read a picture in shades of grey: white is painted, black is kept.

    Raises:
        InputError: if it is none, or too large.
    """
    return _open_picture(path, "L")


def _open_picture(path: Path, mode: str) -> Image:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as found:
            if math.prod(found.size) > MAX_PICTURE:
                raise _refuse(path, f"{found.width} by {found.height} pixels", "a smaller picture")
            upright = ImageOps.exif_transpose(found)
            return upright.convert(mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _refuse(path, getattr(error, "strerror", None) or "no picture", "a picture that can be read") from None


def _read_tensor(path: Path) -> Any:
    import pickle

    import numpy as np
    import torch

    try:
        if path.stat().st_size > MAX_TENSOR:
            raise _refuse(path, f"{path.stat().st_size} bytes", f"at most {MAX_TENSOR}")
        if path.suffix.lower() == ".npy":
            found: Any = torch.from_numpy(np.load(path, mmap_mode="r", allow_pickle=False).copy())
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise _refuse(path, getattr(error, "strerror", None) or "no tensor", "a tensor that can be read") from None
    if not isinstance(found, torch.Tensor):
        raise _refuse(path, f"a {type(found).__name__}", "one tensor")
    return found


def _read_json(path: Path) -> Any:
    from ...schedule.io.strict_json import parse_any, read_text

    try:
        return parse_any(read_text(path))
    except CodecError as error:
        raise InputError(error.given, error.expected, error.mend) from None


def _read_words(path: Path) -> str:
    from ...schedule.io.strict_json import read_text

    try:
        return read_text(path).strip()
    except CodecError as error:
        raise InputError(error.given, error.expected, error.mend) from None


def _refuse(path: Path, why: str, expected: str) -> InputError:
    return InputError(f"file {str(path)!r} ({why.lower()})", expected, "check the path, or save it again")


READERS: dict[Sequence[str], Callable[[Path], Any]] = {
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"): read_picture,
    (".pt", ".npy"): _read_tensor,
    (".json",): _read_json,
    (".txt",): _read_words,
}
"""How files are read, by their suffixes."""
