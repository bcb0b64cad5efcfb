"""A call of a pipeline such as a user would make: a prompt, and a picture where it takes one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

IMAGE, MASK = "image", "mask_image"
"""What diffusers' pipelines call a picture and the mask over it; some call the mask `mask`."""

PROMPT = "fox on a light blue background"

SIDE = 512
"""Height and width of a picture where nothing is said of them."""


def make_example_call(pipe: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a call: a prompt, a picture and a mask where the pipeline takes them.

    Args:
        pipe: the pipeline.
        sizes: `height` and `width` of the picture, as far as they are known.
    """
    from PIL import Image

    accepted = inspect.signature(type(pipe).__call__).parameters
    given: dict[str, Any] = {"prompt": PROMPT} if "prompt" in accepted else {}
    image = accepted.get(IMAGE)
    if image is not None and (not given or image.default is image.empty or "strength" in accepted):
        width, height = (int(sizes.get(name) or SIDE) for name in ("width", "height"))
        given[IMAGE] = Image.new("RGB", (width, height), "grey")
        if MASK in accepted:
            given[MASK] = Image.new("L", (width, height), "white")
    return given
