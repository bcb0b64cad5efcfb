"""Qualities and rewards."""

from __future__ import annotations

import numpy as np
import pytest

from evocache.errors import RunError
from evocache.search.evaluate.quality import FLOOR, quality

IMAGES = np.random.default_rng(0).random((3, 16, 16, 3))


def test_latent_error_in_decibels() -> None:
    latents = np.random.default_rng(1).normal(size=(2, 4, 8, 8))
    errors = quality("latent").measure(latents * 1.1, latents, ["", ""])
    assert errors == pytest.approx([-20.0, -20.0])
    assert quality("latent").measure(latents, latents, ["", ""]) == [FLOOR, FLOOR]


def test_psnr_and_ssim_are_lower_for_the_better() -> None:
    near, far = np.clip(IMAGES + 0.01, 0, 1), np.clip(IMAGES + 0.2, 0, 1)
    for name in ("psnr", "ssim"):
        judge = quality(name).measure
        assert (np.array(judge(near, IMAGES, [""] * 3)) < np.array(judge(far, IMAGES, [""] * 3))).all()
    assert quality("psnr").measure(IMAGES, IMAGES, [""] * 3) == [FLOOR] * 3


def test_videos_are_judged_frame_by_frame() -> None:
    video = np.stack([IMAGES, IMAGES[::-1]])
    changed = video.copy()
    changed[0, 0] = np.clip(changed[0, 0] + 0.1, 0, 1)
    errors = quality("psnr").measure(changed, video, ["", ""])
    assert len(errors) == 2
    assert errors[1] == FLOOR < errors[0]


@pytest.mark.parametrize(
    ("name", "error", "shown", "unit", "residual"),
    [
        ("latent", -21.0, 21.0, "dB", True),
        ("psnr", -30.5, 30.5, "dB", True),
        ("ssim", 0.125, 0.875, "", False),
        ("math:fsum", -0.5, 0.5, "", False),
    ],
)
def test_figures_are_shown_as_people_know_them(
    name: str, error: float, shown: float, unit: str, residual: bool
) -> None:
    found = quality(name)
    assert (found.shown(error), found.unit, found.residual, found.name) == (shown, unit, residual, name)


def test_uncached_outputs_are_as_good_as_can_be() -> None:
    assert quality("psnr").uncached(IMAGES, [""] * 3) == [FLOOR] * 3
    assert quality("ssim").uncached(IMAGES, [""] * 3) == pytest.approx([0.0] * 3)
    with pytest.raises(RunError, match=r"fails on uncached outputs.*channels last"):
        quality("psnr").uncached(IMAGES[0], [""] * 3)


def test_names_that_are_none_list_what_there_is() -> None:
    with pytest.raises(
        RunError, match=r"latent, psnr, ssim, lpips:FOLDER, clip:NAME, imagereward:NAME, module:function"
    ):
        quality("beauty")
