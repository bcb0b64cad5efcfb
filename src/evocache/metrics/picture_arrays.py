"""Arrays as pictures, for judges that take them as files are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .checks import MetricError, as_images

if TYPE_CHECKING:
    from PIL.Image import Image


def as_pictures(images: npt.ArrayLike, prompts: Sequence[str]) -> list[Image]:
    """Return images (n, height, width, 3) in [0, 1] as pictures of 8 bits, one for each prompt.

    Raises:
        MetricError: if these are not images in colour, or not as many as prompts.
    """
    from PIL import Image

    array = as_images(images, "images")
    if array.shape[3] != 3 or len(array) != len(prompts):
        given = f"images of shape {array.shape} for {len(prompts)} prompts"
        raise MetricError(given, f"({len(prompts)}, height, width, 3)", "give an image in colour for each prompt")
    return [Image.fromarray(image) for image in np.round(array * 255).astype(np.uint8)]
