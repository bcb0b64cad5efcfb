"""What metrics accept, and how they refuse the rest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import Error

Floats = npt.NDArray[np.float64]


class MetricError(Error):
    """Arrays that cannot be compared, or too few samples for a figure."""


def as_images(images: npt.ArrayLike, name: str) -> Floats:
    """Return images (n, height, width, channels) as float64 in [0, 1].

    Unsigned bytes are divided by 255; floats are clipped to [0, 1].

    Raises:
        MetricError: if the shape or type is not that of images, or a value is not a number.
    """
    array = np.asarray(images)
    if array.ndim != 4 or array.size == 0:
        raise MetricError(
            f"{name} of shape {array.shape}",
            "(n, height, width, channels), none of them 0",
            "stack the images channels last; a single one as image[None]",
        )
    if array.dtype == np.uint8:
        return array.astype(np.float64) / 255
    if array.dtype.kind != "f":
        raise MetricError(f"{name} of type {array.dtype}", "uint8 in 0..255 or floats in [0, 1]", "convert them first")
    if np.isnan(array).any():
        raise MetricError(f"{name} with values that are not numbers", "floats in [0, 1]", "look at how they were made")
    return array.astype(np.float64).clip(0.0, 1.0)


def same_shape(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> None:
    """Check that two arrays can be compared one to one.

    Raises:
        MetricError: if their shapes differ.
    """
    if a.shape != b.shape:
        raise MetricError(f"arrays of shapes {a.shape} and {b.shape}", "equal shapes", "compare like with like")


def to_decibels(squared_error: Floats, peak: Floats | float = 1.0) -> Floats:
    """Compute the peak signal-to-noise ratio of mean squared errors; infinite where there is no error."""
    with np.errstate(divide="ignore"):
        ratio: Floats = 10 * np.log10(np.square(peak) / squared_error)
    return np.where(squared_error == 0, np.inf, ratio)
