"""Rewards: a user's functions, and models that are loaded by name."""

from __future__ import annotations

import math
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evocache.errors import RunError
from evocache.metrics import image_reward
from evocache.search.evaluate.quality import Quality, quality
from evocache.search.evaluate.rewards import FrameByFrame, Rewarded, name_of

IMAGES = np.random.default_rng(0).random((3, 16, 16, 3))
MEANS = IMAGES.mean(axis=(1, 2, 3))
PROMPTS = ["a", "b", "c"]


def brightness(images: Any, prompts: Any) -> Any:
    return images.mean(axis=(1, 2, 3))


class Judge:
    def __call__(self, images: Any, prompts: Any) -> Any:
        return brightness(images, prompts)


def measured(judge: Any, images: Any = IMAGES, prompts: Any = PROMPTS) -> list[float]:
    return list(quality(judge).measure(images, images, prompts))


@pytest.mark.parametrize(
    "form",
    [
        lambda means: means,
        lambda means: means.tolist(),
        lambda means: torch.tensor(means, requires_grad=True),
        lambda means: [torch.tensor([m]) for m in means],
        lambda means: means[:, None].astype(np.float32),
        lambda means: tuple(np.float64(m) for m in means),
    ],
)
def test_numbers_may_come_in_any_form(form: Callable[[Any], Any]) -> None:
    assert measured(lambda images, prompts: form(images.mean(axis=(1, 2, 3)))) == pytest.approx((-MEANS).tolist())


def test_a_single_number_will_do_for_a_single_prompt() -> None:
    assert measured(lambda images, prompts: 0.5, IMAGES[:1], ["a"]) == [-0.5]


def test_functions_objects_and_qualities_are_taken_as_they_are() -> None:
    assert quality(brightness).name == f"{__name__}:brightness"
    assert quality(Judge()).name == f"{__name__}:Judge"
    assert measured(brightness) == measured(Judge())
    own = Quality("mine", "np", lambda outputs, references, prompts: [0.0] * len(prompts))
    assert quality(own) is own
    with pytest.raises(RunError, match="a int as quality"):
        quality(3)  # type: ignore[arg-type]


def test_what_is_not_finite_is_infinitely_bad_for_that_prompt_alone() -> None:
    values = [1.0, math.nan, math.inf]
    assert measured(lambda images, prompts: values) == [-1.0, math.inf, math.inf]


def test_what_a_reward_raises_for_a_candidate_passes_through() -> None:
    def fails(images: Any, prompts: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measured(fails)


@pytest.mark.parametrize(
    ("given", "word"),
    [(None, "returns None"), ("best", "'best'"), ([1.0], "1 rewards for 3"), ({}, "0 rewards"), (1.0, "1 rewards")],
)
def test_what_is_not_a_number_for_each_prompt_is_refused(given: Any, word: str) -> None:
    with pytest.raises(RunError, match=word):
        measured(lambda images, prompts: given)


def test_a_reward_that_can_never_work_is_found_out_on_uncached_outputs() -> None:
    def fails(images: Any, prompts: Any) -> Any:
        raise KeyError("weights")

    for reward, word in ((fails, "KeyError: 'weights'"), (lambda images, prompts: [math.nan] * 3, "no finite number")):
        with pytest.raises(RunError, match=word):
            quality(reward).uncached(IMAGES, PROMPTS)
    assert quality(brightness).uncached(IMAGES, PROMPTS) == pytest.approx((-MEANS).tolist())


def test_a_module_beside_the_user_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rewards_here.py").write_text(
        "class Red:\n    score = staticmethod(lambda i, p: i[..., 0].max((1, 2)))\n"
    )
    (tmp_path / "my_broken_reward.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert measured("my_rewards_here:Red.score") == pytest.approx((-IMAGES[..., 0].max(axis=(1, 2))).tolist())
    with pytest.raises(RunError, match="ZeroDivisionError"):
        quality("my_broken_reward:f")
    assert sys.path == before


@pytest.mark.parametrize("name", ["no_such_module:f", "math:missing", "math:pi", "beauty", "clip:", ":f", ""])
def test_names_that_lead_nowhere(name: str) -> None:
    with pytest.raises(RunError):
        quality(name)


def test_videos_are_judged_by_the_mean_over_their_frames() -> None:
    call_arguments = []

    def reward(images: Any, prompts: Any) -> Any:
        call_arguments.append(list(prompts))
        return brightness(images, prompts)

    video = np.stack([IMAGES, IMAGES[::-1] / 2])
    assert FrameByFrame(reward)(video, ["a", "b"]) == pytest.approx([MEANS.mean(), MEANS.mean() / 2])
    assert call_arguments == [["a"] * 3 + ["b"] * 3]
    assert FrameByFrame(reward)(IMAGES, PROMPTS) == pytest.approx(MEANS)


def test_measures_travel_to_other_processes() -> None:
    copied = pickle.loads(pickle.dumps(quality(brightness)))
    assert copied.measure(IMAGES, IMAGES, PROMPTS) == measured(brightness)
    assert name_of(Rewarded(brightness)) == "evocache.search.evaluate.rewards:Rewarded"


def test_imagereward_is_asked_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ImageReward", None)
    with pytest.raises(RunError, match=f"pip install {image_reward.PACKAGE}"):
        quality("imagereward:ImageReward-v1.0")
    package = types.ModuleType("ImageReward")
    package.load = lambda name, device: types.SimpleNamespace(  # type: ignore[attr-defined]
        score=lambda prompt, image: {"a": 1.0, "b": -1.0}[prompt]
    )
    monkeypatch.setitem(sys.modules, "ImageReward", package)
    assert measured("imagereward:any", np.stack([IMAGES, IMAGES])[:, :2], ["a", "b"]) == [-1.0, 1.0]


def test_weights_that_are_not_there_are_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"alexnet\*\.pth"):
        quality(f"lpips:{tmp_path}")
    with pytest.raises(RunError, match="CLIP model"):
        quality(f"clip:{tmp_path}")


def test_lpips_is_a_distance_from_the_uncached_outputs(tmp_path: Path) -> None:
    from evocache.metrics.lpips import Lpips
    from tests.metrics.test_lpips import NAMES, weights

    for name, part in zip((NAMES["vgg"], "vgg.pth"), weights("vgg"), strict=True):
        torch.save(part, tmp_path / name)
    found = quality(f"lpips:{tmp_path}")
    changed = np.clip(IMAGES + 0.2, 0, 1)
    errors = found.measure(changed, IMAGES, PROMPTS)
    assert errors == pytest.approx(Lpips.load(tmp_path).distance(changed, IMAGES).tolist())
    assert found.measure(np.stack([changed]), np.stack([IMAGES]), ["a"]) == pytest.approx([np.mean(errors)])
    assert (found.shown(0.25), found.unit, found.residual) == (-0.25, "negated LPIPS", False)
