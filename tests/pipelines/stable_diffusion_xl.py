"""Stable Diffusion XL, and Kolors."""

from __future__ import annotations

import functools
from typing import Any

import torch
from diffusers import ControlNetModel, ControlNetUnionModel, ControlNetXSAdapter, T2IAdapter, UNet2DConditionModel

from tests.pipelines.row import Kit, Parts, of
from tests.pipelines.stable_diffusion import (
    BETAS,
    CALL,
    FROM_ONE_FRAME,
    LEVELS,
    TYPES,
    ZERO,
    image_encoder,
    with_ip_adapter,
)
from tests.pipelines.stand_ins import says
from tests.tiny.base import picture
from tests.tiny.parts import clip_text, clip_text_projected, image_vae
from tests.tiny.tokenizers import clip_tokenizer

SIZES: dict[str, Any] = {
    "transformer_layers_per_block": (2, 1),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 16 + 6 * 8,
}


def small_unet(**config: Any) -> UNet2DConditionModel:
    """Two levels of one layer; told sizes and pooled text."""
    return UNet2DConditionModel(**{"sample_size": 16, **LEVELS, **TYPES, **SIZES, **config})


def parts() -> Parts:
    """Stable Diffusion XL."""
    return {
        "vae": image_vae(),
        "text_encoder": clip_text(width=16),
        "text_encoder_2": clip_text_projected(width=16, projection=16),
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": clip_tokenizer(pad_token="!"),
        "unet": small_unet(),
        "add_watermarker": False,
        **of("EulerDiscreteScheduler", **BETAS, timestep_spacing="leading", steps_offset=1)(),
    }


TELLING = {name: value for name, value in {**TYPES, **SIZES}.items() if name != "up_block_types"}


@functools.cache
def controlnet() -> Parts:
    """A ControlNet for it."""
    return {"controlnet": ControlNetModel(**LEVELS, **TELLING, conditioning_embedding_out_channels=(8, 8))}


@functools.cache
def union() -> Parts:
    """A ControlNet for pictures of several kinds."""
    return {
        "controlnet": ControlNetUnionModel(
            **LEVELS,
            **{**TELLING, "attention_head_dim": (2, 2)},
            conditioning_embedding_out_channels=(8, 8),
            num_control_type=6,
            num_trans_channel=8,
            num_trans_head=2,
            num_trans_layer=1,
            num_proj_channel=8,
        )
    }


def control_xs() -> Parts:
    """A ControlNet-XS and a U-Net that takes it."""
    unet = small_unet(layers_per_block=2, attention_head_dim=(2, 2))
    adapter = ControlNetXSAdapter.from_unet(unet, size_ratio=0.5, conditioning_embedding_out_channels=(8, 8))
    return {"unet": unet, "controlnet": adapter}


def adapter() -> Parts:
    """A T2I-Adapter, which shrinks a picture as much as the autoencoder and the first level do."""
    return {"adapter": T2IAdapter(channels=[8, 16], num_res_blocks=1, downscale_factor=2, adapter_type="full_adapter")}


def ip_adapter() -> Parts:
    """A U-Net of its own, which the adapter changes, and an encoder of pictures."""
    return {"unet": small_unet(), **image_encoder()}


KIT = Kit(parts, CALL)
row = KIT.row
FULL = {"strength": 1.0}
PERTURBED = {"pag_scale": 2.0}
MODES = {"control_mode": [0], "control_image": [picture()]}

ROWS = (
    row("StableDiffusionXLPipeline", {"guidance_rescale": 0.7}),
    row("StableDiffusionXLPipeline", {"denoising_end": 0.5, "num_inference_steps": 8}, variant="first-half"),
    row("StableDiffusionXLPipeline", parts=of("HeunDiscreteScheduler", **BETAS), variant="Heun"),
    row(
        "StableDiffusionXLPipeline",
        {"ip_adapter_image": picture()},
        parts=ip_adapter,
        after=with_ip_adapter,
        variant="IP-Adapter",
    ),
    row("StableDiffusionXLImg2ImgPipeline", late=1),
    row(
        "StableDiffusionXLImg2ImgPipeline",
        {"denoising_start": 0.5, "num_inference_steps": 8},
        late=4,
        variant="second-half",
    ),
    row("StableDiffusionXLInpaintPipeline", late=1),
    row("StableDiffusionXLInstructPix2PixPipeline", parts=lambda: {"unet": small_unet(in_channels=8)}),
    row("StableDiffusionXLControlNetPipeline", parts=controlnet),
    row("StableDiffusionXLControlNetImg2ImgPipeline", parts=controlnet, late=1),
    row("StableDiffusionXLControlNetInpaintPipeline", parts=controlnet, late=1),
    row("StableDiffusionXLControlNetUnionPipeline", MODES, parts=union),
    row("StableDiffusionXLControlNetUnionImg2ImgPipeline", MODES, parts=union, late=1),
    row("StableDiffusionXLControlNetUnionInpaintPipeline", MODES, parts=union, late=1),
    row("StableDiffusionXLControlNetXSPipeline", parts=control_xs),
    row("StableDiffusionXLAdapterPipeline", parts=adapter),
    row("StableDiffusionXLPAGPipeline", PERTURBED),
    row("StableDiffusionXLPAGImg2ImgPipeline", PERTURBED, late=1),
    row("StableDiffusionXLPAGInpaintPipeline", PERTURBED, late=1),
    row("StableDiffusionXLControlNetPAGPipeline", PERTURBED, parts=controlnet),
    row("StableDiffusionXLControlNetPAGImg2ImgPipeline", PERTURBED, parts=controlnet, late=1),
    row("TextToVideoZeroSDXLPipeline", ZERO, parts=of("DDIMScheduler", **BETAS), steps=FROM_ONE_FRAME),
)

# Kolors reads prompts with ChatGLM; here it is given what that would have said.
TOLD = {
    "prompt": None,
    "negative_prompt": None,
    "prompt_embeds": torch.linspace(-1, 1, 6 * 32).reshape(1, 6, 32),
    "negative_prompt_embeds": torch.linspace(1, -1, 6 * 32).reshape(1, 6, 32),
    "pooled_prompt_embeds": torch.linspace(-1, 1, 16).reshape(1, 16),
    "negative_pooled_prompt_embeds": torch.linspace(1, -1, 16).reshape(1, 16),
}


def told(*_: Any, **__: Any) -> Any:
    """The same, by the method that reads prompts."""
    return tuple(TOLD[name] for name in TOLD if name.endswith("embeds"))


ROWS += (
    row("KolorsPipeline", TOLD),
    row("KolorsPAGPipeline", {**TOLD, **PERTURBED}),
    row("KolorsImg2ImgPipeline", after=says(encode_prompt=told), late=1),  # it hands pooled embeddings on to nobody
)
