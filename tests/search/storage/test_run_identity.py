"""What a run was evaluated on: any change of it is found and named, and nothing else is."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler
from PIL import Image

from evocache.errors import IdentityError
from evocache.search.evaluate.fingerprint import (
    PLACES,
    WHOLE,
    choose_tolerance,
    digest_value,
    digest_weights,
    fingerprint,
    take_sample,
)
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.search.storage.run_identity import FILE, Identity, Sample, confirm, confirm_sample, read, write
from tests.test_evolve_run import CALL, PROMPTS
from tests.tiny import FAMILIES

Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def pipe() -> Any:
    return FAMILIES["pixart"].build()


def parts(pipe: Any, judge: Any = "latent", batch: int = 4, prompts: list[str] = PROMPTS, **call: object) -> Any:
    return fingerprint(pipe, Workload.of(prompts, {**CALL, **call}, batch=batch), quality(judge))


def test_a_fingerprint_is_the_same_for_the_same(pipe: Any) -> None:
    assert parts(pipe) == parts(copy.deepcopy(pipe)) == json.loads(json.dumps(parts(pipe)))
    assert parts(pipe, image=torch.ones(3, 4)) == parts(pipe, image=torch.ones(3, 4))


def drawn_anew(pipe: Any) -> None:
    for weight in pipe.transformer.parameters():
        weight.data = torch.randn_like(weight)


def other_solver(pipe: Any) -> None:
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)


def one_number(pipe: Any) -> None:
    next(pipe.vae.parameters()).data.reshape(-1)[-1] += 1e-3


def buffer(pipe: Any) -> None:
    pipe.transformer.register_buffer("scale", torch.ones(1), persistent=False)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (drawn_anew, ["transformer.weights"]),
        (one_number, ["vae.weights"]),
        (buffer, ["transformer.weights"]),
        (other_solver, ["scheduler"]),
        (lambda pipe: pipe.scheduler.register_to_config(beta_end=0.5), ["scheduler.beta_end"]),
        (lambda pipe: pipe.transformer.register_to_config(sample_size=64), ["transformer.config"]),
        (lambda pipe: pipe.transformer.to(torch.bfloat16), ["transformer.dtype", "transformer.weights"]),
        (lambda pipe: pipe.text_encoder.half(), ["text_encoder.dtype", "text_encoder.weights"]),
    ],
)
def test_what_changes_of_a_pipeline_is_named(pipe: Any, change: Change, names: list[str]) -> None:
    other = copy.deepcopy(pipe)
    with torch.no_grad():
        change(other)
    before, after = parts(pipe), parts(other)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    assert changed[0] == names[0]
    if change is not other_solver:
        assert changed == names


def half(images: Any, prompts: Any) -> Any:
    return 0.5 * images.mean(axis=(1, 2, 3))


class Scaled:
    """A reward with a state."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, images: Any, prompts: Any) -> Any:
        return self.scale * images.mean(axis=(1, 2, 3))


def scaled(scale: float) -> Callable[[Any, Any], Any]:
    return lambda images, prompts: scale * images.mean(axis=(1, 2, 3))


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ({"batch": 4}, {"batch": 2}, "batch"),
        ({}, {"prompts": PROMPTS[::-1]}, "prompts"),
        ({}, {"guidance_scale": 2.0}, "call.guidance_scale"),
        ({"negative_prompt": ["a"] * 4}, {"negative_prompt": ["b"] * 4}, "call.negative_prompt"),
        ({"negative_prompt": "a" * 200}, {"negative_prompt": "a" * 199 + "b"}, "call.negative_prompt"),
        ({"latents": torch.zeros(2, 4)}, {"latents": torch.ones(2, 4)}, "call.latents"),
        ({"latents": torch.zeros(2, 4)}, {"latents": torch.zeros(4, 2)}, "call.latents"),
        ({"latents": torch.zeros(2)}, {"latents": torch.zeros(2, dtype=torch.float16)}, "call.latents"),
        ({"image": np.zeros((2, 2, 3))}, {"image": np.eye(2)}, "call.image"),
        ({"image": Image.new("RGB", (4, 4))}, {"image": Image.new("RGB", (4, 4), "red")}, "call.image"),
        ({"image": [Image.new("L", (4, 4))]}, {"image": [Image.new("L", (4, 4), 9)]}, "call.image"),
        ({"extra": {"a": [1, torch.zeros(1)]}}, {"extra": {"a": [1, torch.ones(1)]}}, "call.extra"),
        ({"judge": "psnr"}, {"judge": "ssim"}, "quality"),
        ({"judge": lambda i, p: i.mean()}, {"judge": lambda i, p: -i.mean()}, "quality.measure"),
        ({"judge": scaled(1.0)}, {"judge": scaled(2.0)}, "quality.measure"),
        ({"judge": Scaled(1.0)}, {"judge": Scaled(2.0)}, "quality.measure"),
        ({"judge": functools.partial(half, 1)}, {"judge": functools.partial(half, 2)}, "quality.measure"),
    ],
)
def test_what_changes_of_a_call_or_a_quality_is_named(pipe: Any, one: Any, other: Any, name: str) -> None:
    before, after = parts(pipe, **one), parts(pipe, **other)
    assert next(key for key in {**before, **after} if before.get(key) != after.get(key)) == name
    assert parts(pipe, **one) == before


def test_every_tensor_counts_and_large_ones_all_over(pipe: Any) -> None:
    module = torch.nn.Module()
    module.big = torch.nn.Parameter(torch.zeros(40 * WHOLE))
    before = digest_weights(module)
    step = len(module.big) // PLACES
    with torch.no_grad():
        module.big[7 * step] = 1.0
        assert digest_weights(module) != before
        module.big.zero_()
        module.big += 1e-7
    assert digest_weights(module) != before
    assert digest_weights(torch.nn.Linear(2, 2, device="meta")) != digest_weights(torch.nn.Linear(2, 3, device="meta"))


def test_what_contains_itself_has_a_digest() -> None:
    ring: list[object] = [1]
    ring.append(ring)
    assert digest_value(ring) == digest_value(ring) != digest_value([1])
    assert digest_value(print) != digest_value(len)


def test_a_run_on_something_else_is_refused_naming_both(tmp_path: Path) -> None:
    first = confirm(tmp_path, {"transformer.weights": "ab", "batch": 4})
    write(tmp_path, first)
    confirm(tmp_path, {"batch": 2})  # nothing was made of it yet
    (tmp_path / "calibration.json").write_text("{}")
    assert confirm(tmp_path, {"batch": 4, "transformer.weights": "ab"}) == first
    with pytest.raises(
        IdentityError, match=r"transformer\.weights is 'cd', was 'ab'; batch is 2, was 4; new is 1, was a"
    ):
        confirm(tmp_path, {"transformer.weights": "cd", "batch": 2, "new": 1})
    (tmp_path / FILE).unlink()
    with pytest.raises(IdentityError, match=r"calibration\.json was written without identity\.json"):
        confirm(tmp_path, {"batch": 4})


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": "x", "version": 1, "parts": {}}', '{"parts": 3}', "[" * 9999]
)
def test_a_damaged_identity_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(IdentityError, match=FILE):
        read(tmp_path)


def test_samples_are_compared_within_rounding(tmp_path: Path) -> None:
    outputs = np.random.default_rng(0).normal(size=(2, 4, 8, 8)).astype(np.float32)
    identity = confirm_sample(tmp_path, Identity({"batch": 2}), take_sample(outputs, [1.0, float("inf")]), 1e-3)
    assert read(tmp_path) == Identity(
        {"batch": 2}, identity.sample and Sample(*map(rounded, vars(identity.sample).values()))
    )
    known = read(tmp_path)
    assert known is not None
    confirm_sample(tmp_path, known, take_sample(outputs * (1 + 1e-5), [1.0, float("inf")]), 1e-3)
    for changed in (
        take_sample(outputs * 1.01, [1.0, float("inf")]),
        take_sample(outputs, [1.01, float("inf")]),
        take_sample(outputs, [1.0, 1.0]),
        take_sample(outputs, [-1.0, float("inf")]),
    ):
        with pytest.raises(IdentityError, match="first uncached outputs"):
            confirm_sample(tmp_path, known, changed, 1e-3)


def rounded(numbers: Any) -> tuple[float, ...]:
    return tuple(float(f"{number:.7g}") for number in numbers)


def test_rounding_is_wider_in_half_precision(pipe: Any) -> None:
    assert choose_tolerance(pipe) == 1e-3
    assert choose_tolerance(copy.deepcopy(pipe).to(torch.float16)) == 3e-2
