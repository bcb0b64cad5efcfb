import numpy as np
import pytest

from evocache.metrics import MetricError, psnr, ssim


def images(n=2, size=16, channels=3, seed=0):
    return np.random.default_rng(seed).random((n, size, size, channels))


def test_psnr_of_a_constant_difference_is_minus_twenty_log_ten():
    a = np.full((3, 8, 8, 3), 0.5)
    b = a.copy()
    b[0] += 0.1
    b[1] += 0.01
    assert psnr(a, b) == pytest.approx([20.0, 40.0, np.inf])


def test_psnr_is_one_figure_an_image_and_symmetric():
    a, b = images(), images(seed=1)
    assert psnr(a, b).shape == (2,)
    assert psnr(a, b).dtype == np.float64
    np.testing.assert_array_equal(psnr(a, b), psnr(b, a))


def test_bytes_are_converted_before_they_are_subtracted():
    """3 - 5 is 254 in unsigned bytes; the difference is 2 of 255."""
    a, b = np.full((1, 4, 4, 1), 3, dtype=np.uint8), np.full((1, 4, 4, 1), 5, dtype=np.uint8)
    assert psnr(a, b) == pytest.approx(20 * np.log10(255 / 2))
    assert psnr(a, b) == pytest.approx(psnr(a / 255, b))


def test_values_beyond_the_range_are_clipped():
    assert psnr(np.full((1, 4, 4, 3), 1.7), np.full((1, 4, 4, 3), 1.0)) == np.inf
    assert psnr(np.full((1, 4, 4, 3), -3.0), np.full((1, 4, 4, 3), 0.1)) == pytest.approx(20.0)


def test_half_precision_is_compared_in_double():
    a, b = images().astype(np.float16), images(seed=1).astype(np.float16)
    np.testing.assert_array_equal(psnr(a, b), psnr(a.astype(np.float64), b.astype(np.float64)))


def brute_force_ssim(x, y):
    """Straight from the paper, place by place (Wang et al. 2004, eq. 14 to 16 and 13)."""
    height, width = (min(11, s if s % 2 else s - 1) for s in x.shape)
    rows, columns = np.arange(height) - height // 2, np.arange(width) - width // 2
    window = np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    found = []
    for i in range(x.shape[0] - height + 1):
        for j in range(x.shape[1] - width + 1):
            p, q = x[i : i + height, j : j + width], y[i : i + height, j : j + width]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            top = (2 * mp * mq + 0.01**2) * (2 * cov + 0.03**2)
            found.append(top / ((mp**2 + mq**2 + 0.01**2) * (vp + vq + 0.03**2)))
    return np.mean(found)


@pytest.mark.parametrize("shape", [(1, 16, 20, 3), (2, 11, 11, 1), (1, 6, 13, 3), (1, 1, 1, 3), (1, 2, 2, 1)])
def test_ssim_equals_the_formula_place_by_place(shape):
    rng = np.random.default_rng(4)
    a = rng.random(shape)
    b = (a + rng.normal(0, 0.2, shape)).clip(0, 1)
    expected = [
        np.mean([brute_force_ssim(x[..., c], y[..., c]) for c in range(shape[3])]) for x, y in zip(a, b, strict=True)
    ]
    assert ssim(a, b) == pytest.approx(expected, abs=1e-12)


def test_ssim_of_identical_images_is_one():
    assert ssim(images(), images()) == pytest.approx(1.0, abs=1e-12)


def test_ssim_of_constant_images_is_the_luminance_term():
    a, b = np.full((1, 12, 12, 1), 0.4), np.full((1, 12, 12, 1), 0.6)
    assert ssim(a, b) == pytest.approx((2 * 0.24 + 1e-4) / (0.16 + 0.36 + 1e-4))


def test_ssim_falls_with_noise():
    a = images(n=1, size=32)
    noise = np.random.default_rng(5).normal(0, 1, a.shape)
    assert ssim(a, a + 0.02 * noise) > ssim(a, a + 0.1 * noise) > ssim(a, a + 0.5 * noise)


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        (np.zeros((8, 8, 3)), np.zeros((8, 8, 3)), "channels last"),
        (np.zeros((1, 8, 8, 3)), np.zeros((2, 8, 8, 3)), "like with like"),
        (np.zeros((0, 8, 8, 3)), np.zeros((0, 8, 8, 3)), "none of them 0"),
        (np.zeros((1, 8, 8, 3), dtype=int), np.zeros((1, 8, 8, 3)), "uint8"),
        (np.full((1, 8, 8, 3), np.nan), np.zeros((1, 8, 8, 3)), "not numbers"),
    ],
)
def test_what_is_no_pair_of_images_is_refused(metric, a, b, word):
    with pytest.raises(MetricError, match=word):
        metric(a, b)
