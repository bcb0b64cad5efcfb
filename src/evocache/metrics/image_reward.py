"""ImageReward (Xu et al. 2023, arXiv 2304.05977), by its authors' package, which is not one of evocache's own needs."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .checks import Floats, MetricError
from .picture_arrays import as_pictures

PACKAGE = "image-reward"


class ImageReward:
    """The reward of each image for its prompt: 0 on average over people's rankings, deviation 1, higher is better.

    Args:
        model: what `ImageReward.load` gives.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def load(cls, name: str = "ImageReward-v1.0", *, device: str = "cpu") -> ImageReward:
        """Return a published model, or a checkpoint's file.

        Raises:
            MetricError: if the package is not installed, or knows no such model.
        """
        try:
            package = importlib.import_module("ImageReward")
        except ImportError as error:
            given = f"imagereward:{name} without its package ({error})"
            raise MetricError(given, f"the package {PACKAGE}", f"pip install {PACKAGE}") from error
        try:
            return cls(package.load(name, device=device))
        except (OSError, RuntimeError, ValueError) as error:
            known = ", ".join(getattr(package, "available_models", list)())
            raise MetricError(f"ImageReward {name!r} ({error})", known or "a known model", "check the name") from error

    def __call__(self, images: npt.ArrayLike, prompts: Sequence[str]) -> Floats:
        """Rewards (n,) of images (n, height, width, 3) in [0, 1] and their prompts.

        Raises:
            MetricError: if these are not images, or not as many as prompts.
        """
        pictures = as_pictures(images, prompts)
        return np.array([float(self.model.score(p, picture)) for p, picture in zip(prompts, pictures, strict=True)])
