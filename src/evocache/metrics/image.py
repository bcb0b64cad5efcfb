"""How far images are from reference images: PSNR and SSIM, one figure an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .checks import Floats, as_images, same_shape, to_decibels

WINDOW = 11
"""Side of the Gaussian window of SSIM, in pixels (Wang et al. 2004, section III.B)."""

SIGMA = 1.5
"""Its standard deviation, in pixels."""

C1, C2 = 0.01**2, 0.03**2
"""Stabilising constants for a dynamic range of 1 (Wang et al. 2004, eq. 7 and 9)."""


def psnr(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Compute the peak signal-to-noise ratio of each pair of images, in decibels; infinite for identical ones.

    The peak is 1: floats are clipped to [0, 1], unsigned bytes are divided by 255 before they are subtracted.

    Args:
        a: images (n, height, width, channels).
        b: images of the same shape; the type may differ.

    Returns:
        (n,)

    Raises:
        MetricError: if these are not images, or not as many or as large.
    """
    first, second = as_images(a, "images"), as_images(b, "reference images")
    same_shape(first, second)
    return to_decibels(np.square(first - second).mean(axis=(1, 2, 3)))


def ssim(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Compute the mean structural similarity of each pair of images; 1 for identical ones.

    As published (Wang et al. 2004, eq. 13): Gaussian window of 11 pixels, sigma 1.5, at every place where it lies
    within the image; each channel on its own, then their mean. Where an image is smaller than the window, the window
    shrinks along that side to the largest odd size that fits.

    Args:
        a: images (n, height, width, channels), values as for `psnr`.
        b: images of the same shape.

    Returns:
        (n,), in [-1, 1].

    Raises:
        MetricError: if these are not images, or not as many or as large.
    """
    x, y = as_images(a, "images"), as_images(b, "reference images")
    same_shape(x, y)
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x = _blurred(x * x) - mean_x**2
    var_y = _blurred(y * y) - mean_y**2
    cov = _blurred(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * cov + C2) / (var_x + var_y + C2)
    similarity: Floats = (luminance * structure).mean(axis=(1, 2, 3))
    return similarity


def gaussian(size: int) -> Floats:
    """Return the weights of the window of `size` pixels (11, or the largest odd number below, if there are fewer)."""
    width = min(WINDOW, size if size % 2 else size - 1)
    offsets = np.arange(width) - (width - 1) / 2
    weights = np.exp(-np.square(offsets) / (2 * SIGMA**2))
    normalised: Floats = weights / weights.sum()
    return normalised


def _blurred(images: Floats) -> Floats:
    """Weighted means under the window; (n, h, w, c) -> (n, h - k + 1, w - l + 1, c)."""
    for axis in (1, 2):
        weights = gaussian(images.shape[axis])
        places = images.shape[axis] - len(weights) + 1
        images = sum(
            (weight * np.take(images, range(i, i + places), axis=axis) for i, weight in enumerate(weights)),
            start=np.zeros(()),
        )
    return images
