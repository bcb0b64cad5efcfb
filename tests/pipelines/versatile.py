"""Versatile Diffusion and UniDiffuser, told by texts and by pictures; VQ Diffusion, which draws tokens."""

from __future__ import annotations

from typing import Any

from diffusers.models import DualTransformer2DModel
from diffusers.pipelines.deprecated.versatile_diffusion.modeling_text_unet import UNetFlatConditionModel
from diffusers.pipelines.deprecated.vq_diffusion import LearnedClassifierFreeSamplingEmbeddings
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
)

from tests.pipelines.pixels import vq
from tests.pipelines.row import Kit, Parts, denoiser, of
from tests.pipelines.stable_diffusion import LEVELS, OFFSET, small_unet
from tests.pipelines.stand_ins import Stub
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.parts import clip_config, clip_text, clip_vision_config, image_vae
from tests.tiny.tokenizers import MAX_LENGTH, clip_tokenizer


def short() -> CLIPTextConfig:
    """A reader of as many tokens as its tokenizer makes, which pipelines take from either."""
    config = clip_config(32, 32)
    config.max_position_embeddings = MAX_LENGTH
    return config


def versatile() -> Parts:
    """A U-Net of pictures, and one of texts, whose attention it may take over."""
    return {
        "tokenizer": clip_tokenizer(),
        "text_encoder": CLIPTextModelWithProjection(short()),
        "image_encoder": CLIPVisionModelWithProjection(clip_vision_config(projection=32)),
        "image_feature_extractor": CLIPImageProcessor(),
        "vae": image_vae(),
        **of("DDIMScheduler", **OFFSET)(),
    }


def unets() -> Parts:
    """Both, as pipelines change them."""
    flat = {
        "down_block_types": ("CrossAttnDownBlockFlat", "DownBlockFlat"),
        "mid_block_type": "UNetMidBlockFlatCrossAttn",
        "up_block_types": ("UpBlockFlat", "CrossAttnUpBlockFlat"),
    }
    text_unet = UNetFlatConditionModel(sample_size=16, **LEVELS, **flat, cross_attention_dim=32, attention_head_dim=2)
    return {"image_unet": small_unet(), "text_unet": text_unet}


def without_text_unet(pipe: Any) -> None:
    """As when the pipeline was loaded: what is left of the text's U-Net is not called."""
    pipe.remove_unused_weights()


def dual(pipe: Any) -> None:
    """Attends to text and picture; blocks hand its attention a mask that it does not take."""
    pipe.remove_unused_weights()
    for module in pipe.image_unet.modules():
        if isinstance(module, DualTransformer2DModel):
            module.register_forward_pre_hook(_without_mask, with_kwargs=True)


def _without_mask(_: Any, args: Any, kwargs: Any) -> Any:
    return args, {name: value for name, value in kwargs.items() if name != "encoder_attention_mask"}


def joint() -> Parts:
    """One model of pictures and texts, told what the other is."""
    return {
        "vae": image_vae(),
        "text_encoder": CLIPTextModel(short()),
        "clip_tokenizer": clip_tokenizer(),
        "image_encoder": CLIPVisionModelWithProjection(clip_vision_config(projection=10)),
        "text_decoder": Stub(prefix_hidden_dim=None, prefix_inner_dim=32),
        "unet": denoiser("UniDiffuserModel", text_dim=32, num_text_tokens=MAX_LENGTH, sample_size=16),
        **of("DDIMScheduler", **OFFSET)(),
    }


def from_text(pipe: Any) -> None:
    """A picture of a prompt."""
    pipe.set_text_to_image_mode()


def tokens() -> Parts:
    """A picture of tokens, of which ever fewer are unknown."""
    return {
        "vqvae": vq(num_vq_embeddings=16, vq_embed_dim=4),
        "tokenizer": clip_tokenizer(),
        "text_encoder": clip_text(),
        "transformer": denoiser("Transformer2DModel", cross_attention_dim=32),
        "learned_classifier_free_sampling_embeddings": LearnedClassifierFreeSamplingEmbeddings(learnable=False),
        **of("VQDiffusionScheduler", num_vec_classes=17)(),
    }


CALL = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": 4.0, "height": 32, "width": 32}
VERSATILE = Kit(versatile, {**CALL, "image": picture()})
JOINT = Kit(joint, CALL)
TOKENS = Kit(tokens, CALL)

ROWS = (
    VERSATILE.row("VersatileDiffusionTextToImagePipeline", parts=unets, after=without_text_unet),
    VERSATILE.row("VersatileDiffusionImageVariationPipeline", parts=unets, without=("negative_prompt",)),
    VERSATILE.row("VersatileDiffusionDualGuidedPipeline", parts=unets, after=dual),
    JOINT.row("UniDiffuserPipeline", after=from_text),
    TOKENS.row("VQDiffusionPipeline"),
)
