"""How far what was made is from the uncached one, as fronts say it."""

from __future__ import annotations

import numpy as np

from ..workers.task import Picture


def measure_quality(made: Picture, uncached: Picture) -> float:
    """Measure the quality of a picture or film: its PSNR to the uncached one in dB, 80 at most.

    It is the measure that fronts have their `quality` from (`search.evaluate.quality`, `psnr`): of a picture its own,
    of a film the mean over its frames, each at most 80 dB. A front's figure is the mean of these over prompts.

    The front was measured on floats, and this is on what clients get, 8 bits a value. Where both are rounded, and not
    alike, the mean squared error grows by a sixth of a squared step, which alone were 56 dB: it takes 0.1 dB from
    40 dB and 1 dB from 50 dB, and most of what is above; equal pictures are equal in both. A front that was evolved by
    another measure (SSIM, a reward) predicts no dB: there the two figures cannot be compared.

    Args:
        made: at a point of a front.
        uncached: the same with everything computed.

    Raises:
        MetricError: if they are not of one size, or empty.
    """
    from ...search.evaluate.quality import quality  # numpy alone, but it is not needed before something is compared

    judge = quality("psnr")
    errors: list[float] = []
    for one, other in zip(_frames(made), _frames(uncached), strict=True):  # in turn: floats of a film are large
        errors += judge.measure(one, other, [""])
    return judge.shown(float(np.mean(errors)))


def _frames(picture: Picture) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Each frame as an array (1, height, width, channels)."""
    shape = picture.frames, 1, picture.height, picture.width, picture.channels
    return list(np.frombuffer(picture.pixels, np.uint8).reshape(shape))
