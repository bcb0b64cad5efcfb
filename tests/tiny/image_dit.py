"""Diffusion transformers for images."""

from dataclasses import replace

from diffusers import (
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    HunyuanDiT2DModel,
    HunyuanDiTPipeline,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)

from tests.tiny.base import NEGATIVE, PROMPT, Tiny, caller, seeded
from tests.tiny.parts import bert_text, clip_text_projected, image_vae, t5_text
from tests.tiny.tokenizers import MAX_LENGTH, bert_tokenizer, clip_tokenizer, t5_tokenizer


def pixart_transformer() -> PixArtTransformer2DModel:
    """64 image tokens; half of the output channels are the learned variance, which the pipeline drops."""
    return PixArtTransformer2DModel(
        sample_size=16,
        num_layers=4,
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=32,
        caption_channels=32,
        use_additional_conditions=False,
    )


@seeded
def build_pixart() -> PixArtAlphaPipeline:
    """PixArt-alpha with its multistep solver."""
    return PixArtAlphaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_text(),
        vae=image_vae(),
        transformer=pixart_transformer(),
        scheduler=DPMSolverMultistepScheduler(),
    )


@seeded
def build_pixart_sigma() -> PixArtSigmaPipeline:
    """PixArt-sigma: the same transformer, another pipeline."""
    return PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_text(),
        vae=image_vae(),
        transformer=pixart_transformer(),
        scheduler=DPMSolverMultistepScheduler(),
    )


@seeded
def build_sd3() -> StableDiffusion3Pipeline:
    """Stable Diffusion 3.5: the first two blocks attend twice, the last drops its text stream."""
    transformer = SD3Transformer2DModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        num_layers=4,
        num_attention_heads=2,
        attention_head_dim=16,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
        dual_attention_layers=(0, 1),
        qk_norm="rms_norm",
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=image_vae(shift_factor=0.1),
        # The widths of the two CLIP encoders are concatenated, then padded to the width of T5.
        text_encoder=clip_text_projected(width=16, projection=16),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip_text_projected(width=16, projection=16),
        tokenizer_2=clip_tokenizer(pad_token="!"),
        text_encoder_3=t5_text(),
        tokenizer_3=t5_tokenizer(),
    )


@seeded
def build_hunyuandit() -> HunyuanDiTPipeline:
    """Hunyuan-DiT: long skips join the first two blocks to the last two.

    The pipeline takes a factor of 8 between image and latents for granted, hence four levels and 64x64.
    """
    transformer = HunyuanDiT2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_layers=6,
        num_attention_heads=2,
        attention_head_dim=16,
        hidden_size=32,
        mlp_ratio=2.0,
        cross_attention_dim=32,
        cross_attention_dim_t5=32,
        pooled_projection_dim=32,
    )
    return HunyuanDiTPipeline(
        vae=image_vae(levels=4),
        text_encoder=bert_text(),
        tokenizer=bert_tokenizer(),
        transformer=transformer,
        scheduler=DDPMScheduler(prediction_type="v_prediction"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        text_encoder_2=t5_text(),
        tokenizer_2=t5_tokenizer(),
    )


SIZE = {"height": 32, "width": 32}
PLAIN = {"clean_caption": False, "use_resolution_binning": False, "max_sequence_length": MAX_LENGTH}
"""PixArt-like options: captions are clean already, and no aspect-ratio bin is as small as 32x32."""
CFG = {"guidance_scale": 4.0, "negative_prompt": NEGATIVE}
NO_CFG = {"guidance_scale": 1.0}

PIXART = Tiny(
    "pixart",
    build_pixart,
    caller(CFG, NO_CFG, prompt=PROMPT, **SIZE, **PLAIN),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=4,
    block_lists=("transformer.transformer_blocks",),
)
PIXART_SIGMA = replace(PIXART, name="pixart_sigma", build=build_pixart_sigma)
SD3 = Tiny(
    "sd3",
    build_sd3,
    caller(CFG, NO_CFG, prompt=PROMPT, **SIZE, max_sequence_length=MAX_LENGTH),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=4,
    block_lists=("transformer.transformer_blocks",),
)
HUNYUANDIT = Tiny(
    "hunyuandit",
    build_hunyuandit,
    caller(CFG, NO_CFG, prompt=PROMPT, height=64, width=64, use_resolution_binning=False),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=6,
    block_lists=("transformer.blocks",),
)
