"""How far latents are from reference latents, before the decoder smooths or sharpens the difference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .checks import Floats, MetricError, same_shape, to_decibels


class LatentError(NamedTuple):
    """Error of each sample, both (n,).

    Attributes:
        relative: squared distance over the squared norm of the reference; 0 for identical latents.
        psnr: in decibels, with the range of the reference sample (maximum - minimum) as the peak; infinite for
            identical latents.
    """

    relative: Floats
    psnr: Floats


def latent_error(a: npt.ArrayLike, b: npt.ArrayLike) -> LatentError:
    """Compute the errors of latents `a` against reference latents `b`, sample by sample.

    Args:
        a: (n, ...), any real type.
        b: the same shape.

    Raises:
        MetricError: if the shapes differ, there are no samples, or a reference is constant (it has no range).
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    same_shape(first, second)
    if first.ndim < 2 or first.size == 0:
        raise MetricError(
            f"latents of shape {first.shape}", "(n, ...), none of them 0", "stack them along a batch axis"
        )
    first, second = first.reshape(len(first), -1), second.reshape(len(second), -1)
    span = second.max(axis=1) - second.min(axis=1)
    if not (span > 0).all():
        raise MetricError("constant reference latents", "latents with a range", "look at how they were made")
    error = np.square(first - second)
    return LatentError(error.sum(axis=1) / np.square(second).sum(axis=1), to_decibels(error.mean(axis=1), span))
