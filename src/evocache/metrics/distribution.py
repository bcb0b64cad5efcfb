"""How far a set of samples is from another set: the Frechet distance of their features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .checks import Floats, MetricError


def frechet_distance(features_a: npt.ArrayLike, features_b: npt.ArrayLike, *, singular: bool = False) -> float:
    """Compute the squared Frechet distance of two sets of features, as Gaussians (Heusel et al. 2017, eq. 6).

    `|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2)`; the square roots are those of symmetric matrices.

    Args:
        features_a: (n, dimensions).
        features_b: (m, dimensions).
        singular: also accept no more samples than dimensions. The covariance is singular then, and the distance so
            biased that it is comparable only at the same n and m.

    Raises:
        MetricError: if the features do not fit together, are not finite, or there are too few of them.
    """
    first, second = (_features(f, singular) for f in (features_a, features_b))
    if first.shape[1] != second.shape[1]:
        given = f"{first.shape[1]} and {second.shape[1]} dimensions"
        raise MetricError(given, "features of one network", "use the same network for both")
    shift = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    one, two = _covariance(first), _covariance(second)
    root = _square_root(one)
    overlap = np.sqrt(np.linalg.eigvalsh(root @ two @ root).clip(min=0)).sum()
    return max(0.0, float(shift + np.trace(one) + np.trace(two) - 2 * overlap))


def _features(features: npt.ArrayLike, singular: bool) -> Floats:
    array = np.asarray(features, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0 or not np.isfinite(array).all():
        raise MetricError(f"features of shape {array.shape}", "finite numbers (n, dimensions)", "flatten each sample")
    least = 2 if singular else array.shape[1] + 1
    if len(array) < least:
        why = "two samples" if singular else "more samples than dimensions"
        raise MetricError(
            f"{len(array)} samples of {array.shape[1]} dimensions",
            f"at least {least}: a covariance needs {why}",
            "generate more samples" if singular else "generate more samples, or accept the bias with singular=True",
        )
    return array


def _covariance(features: Floats) -> Floats:
    centred = features - features.mean(axis=0)
    covariance: Floats = centred.T @ centred / (len(features) - 1)
    return covariance


def _square_root(matrix: Floats) -> Floats:
    """The symmetric square root of a symmetric positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    root: Floats = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root
