"""What is measured: the front's own measure, figures against a known truth, and the warning."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest

from evocache.metrics import MetricError
from evocache.search.evaluate.quality import quality
from evocache.serve.audit.comparison import measure_quality
from evocache.serve.audit.figures import LAST, FrontPoint, QualityFigures
from evocache.serve.workers.card import PointCard
from evocache.serve.workers.task import Picture

ANN, BEN = ("acme", "ann"), ("acme", "ben")
POINT, CARD = FrontPoint("emoji", "", "fast"), PointCard(1, "fast", 2.0, 38.0, 16)


def pictures(seed: int, frames: int = 1) -> tuple[np.ndarray, Picture]:
    """Floats as a pipeline gives them, and what a client gets of them."""
    floats = np.random.default_rng(seed).random((frames, 16, 12, 3))
    return floats, Picture((floats * 255).round().astype(np.uint8).tobytes(), 12, 16, frames)


@pytest.mark.parametrize("frames", [1, 5])
def test_it_is_the_measure_of_fronts(frames: int):
    judge = quality("psnr")
    (one, made), (other, uncached) = pictures(1, frames), pictures(2, frames)
    other = one + (other - 0.5) * 0.02
    uncached = Picture((other.clip(0, 1) * 255).round().astype(np.uint8).tobytes(), 12, 16, frames)
    shapes = (one[None], other[None]) if frames > 1 else (one, other)
    expected = judge.shown(judge.measure(*shapes, [""])[0])
    assert 40 < expected < 46
    assert measure_quality(made, uncached) == pytest.approx(expected, abs=0.3)  # 8 bits take so much there
    eight = [np.frombuffer(picture.pixels, np.uint8).reshape(one.shape) for picture in (made, uncached)]
    shaped = [array[None] for array in eight] if frames > 1 else eight
    assert measure_quality(made, uncached) == pytest.approx(judge.shown(judge.measure(*shaped, [""])[0]))


def test_known_distances():
    grey = Picture(bytes([100]) * 48, 4, 4)
    assert measure_quality(grey, grey) == 80.0
    assert measure_quality(Picture(bytes([110]) * 48, 4, 4), grey) == pytest.approx(20 * np.log10(25.5))
    film = Picture(bytes([100]) * 48 + bytes([110]) * 48, 4, 4, 2)
    assert measure_quality(film, Picture(bytes([100]) * 96, 4, 4, 2)) == pytest.approx((80 + 28.1308) / 2, abs=1e-4)


def test_other_sizes_are_refused():
    with pytest.raises(MetricError):
        measure_quality(Picture(bytes(48), 4, 4), Picture(bytes(96), 8, 4))


def test_rows_are_means_over_all_and_the_worst_of_late():
    figures = QualityFigures()
    figures.add(ANN, POINT, CARD, 20.0)
    for at in range(LAST):
        figures.add(BEN, POINT, CARD, 40.0 + at)
    (row,) = figures.rows()
    assert row["mean"] == pytest.approx((20 + sum(40.0 + at for at in range(LAST))) / (LAST + 1))
    assert (row["worst"], row["samples"], row["predicted"]) == (40.0, LAST + 1, 38.0)
    assert figures.told(ANN, POINT) == {"quality": 20.0, "samples": 1}
    assert figures.told(("acme", "eve"), POINT) == {}


def warned_of(caplog: pytest.LogCaptureFixture, card: PointCard, *qualities: float) -> list[str]:
    caplog.clear()
    figures = QualityFigures()
    with caplog.at_level(logging.WARNING, logger="evocache.serve"):
        for quality in qualities:
            figures.add(ANN, POINT, card, quality)
    return [record.getMessage() for record in caplog.records]


def test_a_front_that_does_not_hold_is_warned_of_once(caplog: pytest.LogCaptureFixture):
    assert warned_of(caplog, CARD, *[34.0] * 7) == []
    (said,) = warned_of(caplog, CARD, *[34.0] * 20)
    assert said.startswith("point fast of emoji gave 34.0 dB on average of 8 generations, predicted 38.0 dB")
    assert "ann" not in said
    assert warned_of(caplog, CARD, *[35.1] * 20) == []
    assert warned_of(caplog, PointCard(1, "fast", 2.0, None, 16), *[5.0] * 20) == []


def test_comparing_needs_no_torch():
    program = (
        "import sys; import evocache.serve.audit.audit;"
        "from evocache.serve.audit.comparison import measure_quality as m;"
        "from evocache.serve.workers.task import Picture as P;"
        "m(P(bytes(48), 4, 4), P(bytes(48), 4, 4)); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=True)
    assert done.stdout == "False\n"
