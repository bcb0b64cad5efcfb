"""Diffusion transformers for video."""

from dataclasses import replace

from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import UMT5Config, UMT5EncoderModel

from tests.tiny.base import NEGATIVE, PROMPT, Tiny, caller, seeded
from tests.tiny.parts import t5_text
from tests.tiny.tokenizers import MAX_LENGTH, t5_tokenizer


def wan_transformer() -> WanTransformer3DModel:
    """12 video tokens of width 24 at 9 frames of 32x32."""
    return WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=16,
        ffn_dim=48,
        num_layers=4,
        rope_max_seq_len=32,
    )


def wan_text() -> UMT5EncoderModel:
    """UMT5 encoder: T5 with position biases in every layer."""
    return UMT5EncoderModel(
        UMT5Config(vocab_size=len(t5_tokenizer()), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=2)
    )


def wan_vae() -> AutoencoderKLWan:
    """Eight times smaller in height and width, four times in time; its 16 channels have fixed statistics."""
    return AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)


@seeded
def build_wan() -> WanPipeline:
    """Wan 2.1 text-to-video."""
    return WanPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=wan_text(),
        vae=wan_vae(),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        transformer=wan_transformer(),
    )


@seeded
def build_wan22() -> WanPipeline:
    """Wan 2.2: one transformer for timesteps above 875, another below."""
    return WanPipeline(**{**build_wan().components, "transformer_2": wan_transformer()}, boundary_ratio=0.875)


@seeded
def build_cogvideox() -> CogVideoXPipeline:
    """CogVideoX with rotary positions, as in its 5B size."""
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=16,
        text_embed_dim=32,
        num_layers=4,
        sample_width=4,
        sample_height=4,
        sample_frames=9,
        max_text_seq_length=MAX_LENGTH,
        use_rotary_positional_embeddings=True,
    )
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=4,
        temporal_compression_ratio=4,
    )
    return CogVideoXPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_text(),
        vae=vae,
        transformer=transformer,
        scheduler=CogVideoXDDIMScheduler(),
    )


CLIP = {
    "prompt": PROMPT,
    "height": 32,
    "width": 32,
    "num_frames": 9,
    "max_sequence_length": MAX_LENGTH,
}
CFG = {"guidance_scale": 4.0, "negative_prompt": NEGATIVE}
NO_CFG = {"guidance_scale": 1.0}

WAN = Tiny(
    "wan",
    build_wan,
    caller(CFG, NO_CFG, **CLIP),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=2,
    blocks=4,
    block_lists=("transformer.blocks",),
)
WAN22 = replace(
    WAN,
    name="wan22",
    build=build_wan22,
    denoisers=("transformer", "transformer_2"),
    blocks=8,
    block_lists=("transformer.blocks", "transformer_2.blocks"),
)
COGVIDEOX = Tiny(
    "cogvideox",
    build_cogvideox,
    caller(CFG, NO_CFG, **CLIP),
    denoisers=("transformer",),
    kind="dit",
    calls_per_step=1,
    blocks=4,
    block_lists=("transformer.transformer_blocks",),
)
