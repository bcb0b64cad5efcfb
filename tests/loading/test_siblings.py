"""Pipelines on a pipeline's own parts: what they are given besides, and what a mask keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image

from evocache.loading.masked import paint_under_masks
from evocache.loading.siblings import find_siblings
from tests.tiny import FAMILIES, KNOWN_WARNINGS
from tests.tiny.base import picture

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]

ASKED = {"prompt": "a red fox", "num_inference_steps": 6, "guidance_scale": 4.0, "output_type": "latent"}


@pytest.fixture(scope="module")
def plain() -> Any:
    return FAMILIES["sd15"].build()


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("sd15", {"image": "StableDiffusionImg2ImgPipeline", "mask_image": "StableDiffusionInpaintPipeline"}),
        ("sdxl", {"image": "StableDiffusionXLImg2ImgPipeline", "mask_image": "StableDiffusionXLInpaintPipeline"}),
        ("flux", {"image": "FluxImg2ImgPipeline", "mask_image": "FluxInpaintPipeline"}),
        ("pixart", {}),
        ("wan", {}),
        ("flux_img2img", {}),
    ],
)
def test_siblings_are_on_the_same_parts(family: str, names: dict[str, str]) -> None:
    pipe = FAMILIES[family].build()
    found = find_siblings(pipe)
    assert {given: type(sibling).__name__ for given, sibling in found.items()} == names
    for sibling in found.values():
        assert sibling.vae is pipe.vae
        assert sibling.text_encoder is pipe.text_encoder


def masks(pipe: Any) -> Any:
    """A pipeline that begins with a picture, and takes a mask."""
    cls = paint_under_masks(type(find_siblings(pipe)["image"]))
    made = cls(**pipe.components, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def called(pipe: Any, seed: int = 3, **more: Any) -> torch.Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    return pipe(image=picture(), generator=generator, **{**ASKED, **more}).images


def kept_latents(pipe: Any) -> torch.Tensor:
    with torch.no_grad():
        encoded = pipe.vae.encode(pipe.image_processor.preprocess(picture())).latent_dist.mode()
    return encoded * pipe.vae.config.scaling_factor


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_what_is_black_is_kept_and_what_is_white_is_painted(plain: Any, strength: float) -> None:
    pipe = masks(plain)
    kept = kept_latents(plain)
    width = kept.shape[-1]
    mask = Image.new("L", (32, 32), "white")
    begun = called(find_siblings(plain)["image"], strength=strength)
    assert torch.equal(called(pipe, strength=strength, mask_image=mask), begun)
    assert torch.equal(called(pipe, strength=strength), begun)
    mask.paste(0, (0, 0, 16, 32))
    half = called(pipe, strength=strength, mask_image=mask)
    assert torch.equal(half[..., : width // 2], kept[..., : width // 2])
    assert not torch.isclose(half[..., width // 2 :], kept[..., width // 2 :]).any(dim=(0, 1)).all()
    assert not torch.equal(half[..., width // 2 :], begun[..., width // 2 :])  # it has seen what is beside it
    assert torch.equal(half, called(pipe, strength=strength, mask_image=mask))
    mask.paste(0, (0, 0, 32, 32))
    assert torch.equal(called(pipe, strength=strength, mask_image=mask), kept)


def test_strength_is_whole_unless_it_is_said_and_callbacks_are_called(plain: Any) -> None:
    pipe, steps = masks(plain), []
    mask = Image.new("L", (32, 32), "white")

    def note(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        steps.append(step)
        return {}

    whole = called(pipe, mask_image=mask, callback_on_step_end=note)
    assert steps == [*range(6)]
    assert torch.equal(whole, called(pipe, mask_image=mask, strength=1.0))
