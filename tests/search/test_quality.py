"""Qualities and rewards."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from evocache.errors import RunError
from evocache.search.quality import FLOOR, quality

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


def test_rewards_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("rewards_of_mine")
    module.brightness = lambda images, prompts: images.mean(axis=(1, 2, 3))  # type: ignore[attr-defined]
    module.broken = lambda images, prompts: [float("nan")] * len(images)  # type: ignore[attr-defined]
    module.short = lambda images, prompts: [1.0]  # type: ignore[attr-defined]
    module.number = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rewards_of_mine", module)
    judge = quality("rewards_of_mine:brightness").measure
    assert judge(IMAGES, IMAGES, [""] * 3) == pytest.approx((-IMAGES.mean(axis=(1, 2, 3))).tolist())
    assert quality("rewards_of_mine:broken").measure(IMAGES, IMAGES, [""] * 3) == [float("inf")] * 3
    with pytest.raises(RunError, match="1 rewards for 3"):
        quality("rewards_of_mine:short").measure(IMAGES, IMAGES, [""] * 3)
    for name in ("rewards_of_mine:number", "rewards_of_mine:missing", "no_such_module:f", "beauty"):
        with pytest.raises(RunError):
            quality(name)
