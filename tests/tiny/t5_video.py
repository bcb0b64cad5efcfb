"""Diffusion transformers for video whose only text encoder is T5."""

from diffusers import (
    AllegroPipeline,
    AllegroTransformer3DModel,
    AutoencoderKLAllegro,
    AutoencoderKLLTXVideo,
    AutoencoderKLMochi,
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LattePipeline,
    LatteTransformer3DModel,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MochiPipeline,
    MochiTransformer3DModel,
)

from tests.tiny.base import NEGATIVE, PROMPT, Tiny, caller, seeded
from tests.tiny.parts import image_vae, t5_text
from tests.tiny.tokenizers import MAX_LENGTH, t5_tokenizer


@seeded
def build_ltx() -> LTXPipeline:
    """LTX-Video: 80 tokens at 9 frames of 32x32."""
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=16,
        cross_attention_dim=32,
        num_layers=4,
        caption_channels=32,
    )
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8),
        down_block_types=("LTXVideoDownBlock3D", "LTXVideoDownBlock3D"),
        decoder_block_out_channels=(8, 8),
        layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        spatio_temporal_scaling=(True, False),
        decoder_spatio_temporal_scaling=(True, False),
        decoder_inject_noise=(False, False, False),
        downsample_type=("conv", "conv"),
        upsample_residual=(False, False),
        upsample_factor=(1, 1),
    )
    return LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.1),
        vae=vae,
        text_encoder=t5_text(),
        tokenizer=t5_tokenizer(),
        transformer=transformer,
    )


@seeded
def build_mochi() -> MochiPipeline:
    """Mochi: text and video streams of different widths; the last block drops the text."""
    transformer = MochiTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=4,
        pooled_projection_dim=16,
        in_channels=12,
        text_embed_dim=32,
        time_embed_dim=16,
        max_sequence_length=MAX_LENGTH,
    )
    # 32 channels, since its group norms fix 32 groups.
    vae = AutoencoderKLMochi(
        encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(32, 32, 32, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        add_attention_block=(False, False, False, False, False),
    )
    return MochiPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(invert_sigmas=True),
        vae=vae,
        text_encoder=t5_text(),
        tokenizer=t5_tokenizer(),
        transformer=transformer,
    )


@seeded
def build_latte() -> LattePipeline:
    """Latte: spatial and temporal blocks take turns."""
    transformer = LatteTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=8,
        num_layers=4,
        cross_attention_dim=32,
        attention_bias=True,
        sample_size=16,
        patch_size=2,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        caption_channels=32,
        video_length=5,
    )
    return LattePipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_text(),
        vae=image_vae(),
        transformer=transformer,
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False),
    )


@seeded
def build_allegro() -> AllegroPipeline:
    """Allegro; its autoencoder decodes by tiles only."""
    transformer = AllegroTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        num_layers=4,
        cross_attention_dim=48,
        sample_height=4,
        sample_width=4,
        sample_frames=2,
        caption_channels=32,
    )
    vae = AutoencoderKLAllegro(block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, sample_size=32)
    vae.enable_tiling()
    # Its default tiles overlap by more than this video's size; the whole video is one tile.
    vae.kernel = vae.stride = (8, 32, 32)
    return AllegroPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_text(),
        vae=vae,
        transformer=transformer,
        scheduler=EulerAncestralDiscreteScheduler(),
    )


SIZE = {"height": 32, "width": 32}
CFG = {"guidance_scale": 4.0, "negative_prompt": NEGATIVE}
NO_CFG = {"guidance_scale": 1.0}

LTX = Tiny(
    "ltx",
    build_ltx,
    caller(CFG, NO_CFG, prompt=PROMPT, num_frames=9, max_sequence_length=MAX_LENGTH, **SIZE),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=4,
    block_lists=("transformer.transformer_blocks",),
)
MOCHI = Tiny(
    "mochi",
    build_mochi,
    caller(CFG, NO_CFG, prompt=PROMPT, num_frames=7, max_sequence_length=MAX_LENGTH, **SIZE),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=4,
    block_lists=("transformer.transformer_blocks",),
)
LATTE = Tiny(
    "latte",
    build_latte,
    caller(CFG, NO_CFG, prompt=PROMPT, video_length=5, clean_caption=False, **SIZE),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=8,
    block_lists=("transformer.transformer_blocks", "transformer.temporal_transformer_blocks"),
)
ALLEGRO = Tiny(
    "allegro",
    build_allegro,
    caller(
        CFG,
        NO_CFG,
        prompt=PROMPT,
        num_frames=8,
        max_sequence_length=MAX_LENGTH,
        clean_caption=False,
        **SIZE,
    ),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=4,
    block_lists=("transformer.transformer_blocks",),
)
