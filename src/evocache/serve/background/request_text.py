"""What is asked for as the text that a job keeps, and back."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Any

from ...errors import JobError
from ..requests.request import GenerationRequest, Wishes
from ..workers.task import Picture

VERSION = 1
"""Of the texts that this code writes."""


def write_request(asked: GenerationRequest) -> str:
    """Return a request as JSON.

    >>> read_request(write_request(GenerationRequest("emoji", {"prompt": "fox"}, seed=7))).arguments
    {'prompt': 'fox'}
    """
    pictures = {name: _packed(picture) for name, picture in asked.pictures.items()}
    said = {"model": asked.model, "arguments": dict(asked.arguments), "seed": asked.seed, "count": asked.count}
    return json.dumps({"v": VERSION, **said, "pictures": pictures, "wishes": asdict(asked.wishes)})


def read_request(text: str) -> GenerationRequest:
    """Return the request that a text says.

    Raises:
        JobError: if it is of a newer version, or none.
    """
    try:
        found: dict[str, Any] = json.loads(text)
        version = found.pop("v")
        if version != VERSION:
            raise ValueError(f"version {version}")
        pictures = {name: _unpacked(picture) for name, picture in found.pop("pictures").items()}
        return GenerationRequest(pictures=pictures, wishes=Wishes(**found.pop("wishes")), **found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        given = f"a job's request that cannot be read ({type(error).__name__})"
        raise JobError(given, f"one of version {VERSION}", "run it by the evocache that took it") from None


def _packed(picture: Picture) -> dict[str, Any]:
    values = {name: getattr(picture, name) for name in ("width", "height", "frames", "channels")}
    return {**values, "pixels": base64.b64encode(picture.pixels).decode()}


def _unpacked(packed: dict[str, Any]) -> Picture:
    return Picture(**{**packed, "pixels": base64.b64decode(packed["pixels"], validate=True)})
