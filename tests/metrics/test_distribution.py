import numpy as np
import pytest

from evocache.metrics import MetricError, frechet_distance


def exact(covariance, mean, n=40, seed=0):
    """Samples whose mean and covariance are exactly these."""
    raw = np.random.default_rng(seed).normal(size=(n, len(mean)))
    raw -= raw.mean(axis=0)
    whitened = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / (n - 1))).T
    return whitened @ np.linalg.cholesky(np.asarray(covariance, dtype=float)).T + mean


def test_known_gaussians():
    """Commuting covariances: |m|^2 plus the squared difference of the standard deviations."""
    a = exact(np.diag([1.0, 4.0, 9.0]), [0, 0, 0])
    b = exact(np.diag([4.0, 4.0, 1.0]), [1, 2, 2], n=55, seed=1)
    assert frechet_distance(a, b) == pytest.approx(9 + 1 + 0 + 4)


def test_equals_the_trace_of_the_root_of_the_product():
    """Covariances that do not commute, against the eigenvalues of their product."""
    one, two = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.3], [-0.3, 3.0]])
    overlap = np.sqrt(np.linalg.eigvals(one @ two).real).sum()
    expected = 0.25 + np.trace(one) + np.trace(two) - 2 * overlap
    assert frechet_distance(exact(one, [0, 0]), exact(two, [0.5, 0], seed=2)) == pytest.approx(expected)


def test_symmetric_and_zero_for_the_same_set():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(30, 6)), rng.normal(1, 2, size=(25, 6))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


def test_too_few_samples_say_how_many_are_needed():
    few = np.random.default_rng(4).normal(size=(8, 8))
    with pytest.raises(MetricError, match="at least 9") as caught:
        frechet_distance(few, few)
    assert "8 samples of 8 dimensions" in caught.value.given
    assert frechet_distance(few, few, singular=True) == pytest.approx(0, abs=1e-9)
    with pytest.raises(MetricError, match="at least 2"):
        frechet_distance(few[:1], few[:1], singular=True)


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((9, 0)), np.full((9, 2), np.inf)])
def test_what_is_no_set_of_features_is_refused(bad):
    with pytest.raises(MetricError):
        frechet_distance(bad, bad)


def test_features_of_two_networks_are_refused():
    with pytest.raises(MetricError, match="2 and 3 dimensions"):
        frechet_distance(np.eye(9, 2), np.eye(9, 3))
