"""What is asked for as the text that a job keeps, and back."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from PIL import Image

from ...errors import JobError
from ..requests.encode import encode_image, stack_frames
from ..requests.request import GenerationRequest, Wishes
from ..workers.task import Picture

VERSION = 1
"""Of the texts that this code writes."""


def write_request(asked: GenerationRequest) -> str:
    """Return a request as JSON, of its pictures the names alone, without its deadline: that ends with who waits.

    >>> read_request(write_request(GenerationRequest("emoji", {"prompt": "fox"}, seed=7))).arguments
    {'prompt': 'fox'}
    """
    said = {"model": asked.model, "arguments": dict(asked.arguments), "seed": asked.seed, "count": asked.count}
    loras = {"loras": dict(asked.loras)} if asked.loras else {}
    wishes = {name: value for name, value in asdict(asked.wishes).items() if name != "deadline"}
    return json.dumps({"v": VERSION, **said, **loras, "pictures": [*asked.pictures], "wishes": wishes})


def write_pictures(pictures: Mapping[str, Picture]) -> str | None:
    """Return pictures as JSON of PNG, without loss, or None if there are none; large ones take tenths of a second."""
    return json.dumps({name: _packed(picture) for name, picture in pictures.items()}) if pictures else None


def read_request(text: str, pictures: str | None = None) -> GenerationRequest:
    """Return the request that a text says.

    Args:
        text: of `write_request`.
        pictures: of `write_pictures`; texts from before there was that hold theirs.

    Raises:
        JobError: if it is of a newer version, or none, or its pictures are not there.
    """
    found = _parse(text)
    try:
        named = found.pop("pictures")
        packed = named if isinstance(named, dict) else json.loads(pictures or "{}")
        pictures_by_name = {name: _unpacked(packed[name]) for name in named}
        return GenerationRequest(pictures=pictures_by_name, wishes=Wishes(**found.pop("wishes")), **found)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise _unreadable(error) from None


def read_arguments(text: str) -> dict[str, Any]:
    """Return the arguments of the request that a text says, without its pictures.

    Raises:
        JobError: if it is of a newer version, or none.
    """
    arguments: dict[str, Any] = _parse(text)["arguments"]
    return arguments


def _parse(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
        version = found.pop("v")
        if version != VERSION:
            raise ValueError(f"version {version}")
        return {**found, "arguments": dict(found["arguments"])}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> JobError:
    given = f"a job's request that cannot be read ({type(error).__name__})"
    return JobError(given, f"one of version {VERSION}", "run it by the evocache that took it")


def _packed(picture: Picture) -> dict[str, Any]:
    values = {name: getattr(picture, name) for name in ("width", "height", "frames", "channels")}
    file = encode_image(stack_frames(picture), "png", compress_level=1)
    return {**values, "png": base64.b64encode(file).decode()}


def _unpacked(packed: dict[str, Any]) -> Picture:
    values = {name: value for name, value in packed.items() if name not in ("png", "pixels")}
    if "png" not in packed:  # of texts before pictures were compressed
        return Picture(base64.b64decode(packed["pixels"], validate=True), **values)
    with Image.open(io.BytesIO(base64.b64decode(packed["png"], validate=True)), formats=("PNG",)) as image:
        return Picture(image.tobytes(), **values)
