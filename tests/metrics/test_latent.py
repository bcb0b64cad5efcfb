import numpy as np
import pytest

from evocache.metrics import MetricError, latent_error


def test_hand_made_case():
    """Reference (0, 3, 4): squared norm 25, range 4; off by one in one place of three."""
    reference = np.array([[0.0, 3.0, 4.0], [0.0, 3.0, 4.0]])
    given = np.array([[1.0, 3.0, 4.0], [0.0, 3.0, 4.0]])
    found = latent_error(given, reference)
    assert found.relative == pytest.approx([1 / 25, 0.0])
    assert found.psnr == pytest.approx([10 * np.log10(16 / (1 / 3)), np.inf])


def test_any_trailing_shape_and_type():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2, 4, 6, 6)).astype(np.float32)
    found = latent_error(a, b)
    flat = latent_error(a.reshape(2, -1).astype(np.float64), b.reshape(2, -1).astype(np.float64))
    assert found.relative == pytest.approx(flat.relative)
    assert found.relative.dtype == found.psnr.dtype == np.float64


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        (np.zeros((1, 3)), np.zeros((1, 4)), "equal shapes"),
        (np.zeros(3), np.arange(3.0), "batch axis"),
        (np.zeros((1, 3)), np.ones((1, 3)), "constant"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, word):
    with pytest.raises(MetricError, match=word):
        latent_error(a, b)
