"""Image transformers, and a U-Net, that take latents as pictures; told what a language model would say of a prompt."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
from diffusers.guiders import AdaptiveProjectedMixGuidance
from diffusers.pipelines.joyimage.image_processor import JoyImageEditImageProcessor
from diffusers.pipelines.omnigen import pipeline_omnigen
from diffusers.pipelines.omnigen.processor_omnigen import OmniGenCollator, OmniGenMultiModalProcessor

from tests.matrix.recipe import normal
from tests.pipelines.row import Kit, Parts, denoiser, plain
from tests.pipelines.sequence_images import FLUX2
from tests.pipelines.stand_ins import Stub, both, has, says
from tests.pipelines.token_images import CALL, MASKS, TOLD, flowing, frames
from tests.tiny.base import picture
from tests.tiny.parts import clip_text, image_vae

SMALL = {**CALL, "height": 32, "width": 32}
EDITED = {
    "image": [[picture()]],
    "prior_token_image_ids": [torch.arange(64) % 16],
    "source_image_grid_thw": [torch.tensor([[1, 8, 8]])],
}
BUNDLES = normal(1, 2, 6, 12)
SEEN = normal(1, 5, 10)
LAYERS = normal(2, 1, 6, 10)
POOLED = normal(1, 8)


def normalised() -> AutoencoderKL:
    """An autoencoder that knows how its latents are distributed."""
    moments = {"latents_mean": [0.1] * 4, "latents_std": [0.9] * 4}
    return AutoencoderKL(**{**plain(image_vae().config), **moments})


def scaled(name: str) -> Any:
    """An autoencoder that knows how large its latents are."""
    module = frames(name)
    return type(module)(**{**plain(module.config), "scaling_factor": 0.5})


class Small(JoyImageEditImageProcessor):
    """Chooses pictures of 64 by 64, where its base chooses a megapixel."""

    def get_default_height_width(self, *_: Any, **__: Any) -> tuple[int, int]:
        """The size."""
        return 64, 64


def joy(pipe: Any, prompt: Any, **_: Any) -> Any:
    """JoyImage: of the prompt and all pictures."""
    return TOLD, torch.ones(1, 6)


def dreamlite(pipe: Any, prompts: Any, **_: Any) -> Any:
    """DreamLite: all prompts at once."""
    return normal(len(prompts), 6, 12), torch.ones(len(prompts), 6)


class Letters:
    """OmniGen's tokenizer: a token a letter."""

    model_max_length = 64

    def __call__(self, text: str, **_: Any) -> Stub:
        """Ids from 1, after the one that begins."""
        return Stub(input_ids=[1, *(2 + ord(letter) % 18 for letter in text[-40:])])


class Unseeing(OmniGenMultiModalProcessor):
    """Lays out prompts; only pictures would need torchvision."""

    def __init__(self, text_tokenizer: Any, max_image_size: int) -> None:
        self.text_tokenizer, self.max_image_size = text_tokenizer, max_image_size
        self.collator = OmniGenCollator()


def unseeing() -> Any:
    """OmniGen's pipeline looks for the class in its own module."""
    return patch.object(pipeline_omnigen, "OmniGenMultiModalProcessor", Unseeing, create=True)


FIBO2 = Kit(
    lambda: flowing("BriaFibo2Transformer2DModel", FLUX2.parts()["vae"]),
    {**SMALL, "prompt_embeds": BUNDLES, "negative_prompt_embeds": -BUNDLES},
)
ERNIE = Kit(
    lambda: flowing("ErnieImageTransformer2DModel", FLUX2.parts()["vae"], in_channels=16, out_channels=16),
    {**SMALL, "prompt_embeds": [TOLD[0]], "negative_prompt_embeds": [-TOLD[0, :4]]},
)
GLM = Kit(
    lambda: flowing("GlmImageTransformer2DModel", normalised()),
    {**SMALL, "prior_token_ids": torch.arange(64)[None] % 16},
)
HIDREAM = Kit(
    lambda: flowing("HiDreamImageTransformer2DModel", image_vae(shift_factor=0.1), max_resolution=(16, 16)),
    {
        **SMALL,
        "prompt_embeds_t5": TOLD,
        "negative_prompt_embeds_t5": -TOLD,
        "prompt_embeds_llama3": LAYERS,
        "negative_prompt_embeds_llama3": -LAYERS,
        "pooled_prompt_embeds": POOLED,
        "negative_pooled_prompt_embeds": -POOLED,
    },
)
HUNYUAN = Kit(
    lambda: flowing("HunyuanImageTransformer2DModel", scaled("AutoencoderKLHunyuanImage")),
    {
        **SMALL,
        **MASKS,
        "prompt_embeds_2": SEEN,
        "prompt_embeds_mask_2": torch.ones(1, 5),
        "negative_prompt_embeds_2": -SEEN,
        "negative_prompt_embeds_mask_2": torch.ones(1, 5),
    },
)
REFINER = Kit(
    lambda: flowing(
        "HunyuanImageTransformer2DModel",
        scaled("AutoencoderKLHunyuanImageRefiner"),
        in_channels=16,
        out_channels=8,
        rope_axes_dim=(2, 2, 4),
        patch_size=(1, 1, 1),
        text_embed_2_dim=None,
    ),
    {**SMALL, **MASKS, "image": picture()},
)
JOY = Kit(lambda: flowing("JoyImageEditTransformer3DModel", frames(), in_channels=16), {**CALL, **MASKS})
JOY_PLUS = Kit(lambda: flowing("JoyImageEditPlusTransformer3DModel", frames(), in_channels=16), {**CALL, **MASKS})
OMNIGEN = Kit(
    lambda: {**flowing("OmniGenTransformer2DModel", image_vae(levels=4)), "tokenizer": Letters()},
    {"prompt": "a fox", "height": 64, "width": 64, "guidance_scale": 4.0},
)
DREAMLITE = Kit(
    lambda: {
        "vae": image_vae(levels=4),
        "unet": denoiser("DreamLiteUNetModel"),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "text_encoder": clip_text(),
    },
    {"prompt": "a fox", "height": 64, "width": 64},
)


def guided() -> Parts:
    """Guidance as a part of the pipeline: two calls a step."""
    return {"guider": AdaptiveProjectedMixGuidance(guidance_scale=4.0, start=0.0)}


ROWS = (
    FIBO2.row("BriaFibo2Pipeline"),
    ERNIE.row("ErnieImagePipeline"),
    GLM.row("GlmImagePipeline"),
    GLM.row("GlmImagePipeline", EDITED, variant="edits"),
    HIDREAM.row("HiDreamImagePipeline", after=has(default_sample_size=16)),
    HUNYUAN.row("HunyuanImagePipeline"),
    HUNYUAN.row("HunyuanImagePipeline", parts=guided, variant="guided"),
    REFINER.row("HunyuanImageRefinerPipeline"),
    JOY.row("JoyImageEditPipeline", {"image": picture()}, after=has(vae_image_processor=Small())),
    JOY_PLUS.row(
        "JoyImageEditPlusPipeline",
        {"prompt": "a fox", "images": [picture(), picture()]},
        without=("prompt_embeds", "negative_prompt_embeds", *MASKS),
        after=both(has(image_processor=Small()), says(encode_prompt_multiple_images=joy)),
    ),
    OMNIGEN.row("OmniGenPipeline", within=unseeing),
    DREAMLITE.row("DreamLitePipeline", after=says(encode_prompt=dreamlite)),
    DREAMLITE.row("DreamLitePipeline", {"image": picture()}, after=says(encode_prompt=dreamlite), variant="edits"),
    DREAMLITE.row("DreamLiteMobilePipeline", after=says(encode_prompt=dreamlite)),
)
