"""Every autoencoder of diffusers that decodes pictures, tiny, with what its `decode` is called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import diffusers
import torch
from torch import nn

Made = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]
"""An autoencoder, and positional and keyword arguments of its `decode`."""


def _of(
    name: str, latents: tuple[int, ...], call: Mapping[str, Any] | None = None, **config: Any
) -> Callable[[], Made]:
    def make() -> Made:
        module = getattr(diffusers, name)(**config)
        return module.eval(), (torch.randn(latents, generator=torch.Generator().manual_seed(0)),), dict(call or {})

    return make


FLAT = {"block_out_channels": (8, 8), "norm_num_groups": 4, "latent_channels": 4}
FOUR = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "latent_channels": 4, "layers_per_block": 1}
TWO = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
LTX = {
    "latent_channels": 8,
    "block_out_channels": (8, 8),
    "decoder_block_out_channels": (8, 8),
    "layers_per_block": (1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1),
    "spatio_temporal_scaling": (True, False),
    "decoder_spatio_temporal_scaling": (True, False),
    "decoder_inject_noise": (False, False, False),
    "upsample_residual": (False, False),
    "upsample_factor": (1, 1),
}
QWEN = {"base_dim": 4, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}


def _allegro() -> Made:
    """Decodes by tiles only, of which this video is one."""
    module = diffusers.AutoencoderKLAllegro(sample_size=64, **FOUR)
    module.enable_tiling()
    module.kernel = module.stride = (24, 64, 64)
    return module.eval(), (torch.randn(1, 4, 6, 8, 7, generator=torch.Generator().manual_seed(0)),), {}


AUTOENCODERS: dict[str, Callable[[], Made]] = {
    "AsymmetricAutoencoderKL": _of(
        "AsymmetricAutoencoderKL",
        (1, 4, 8, 7),
        **TWO,
        down_block_out_channels=(8, 8),
        up_block_out_channels=(8, 8),
        norm_num_groups=4,
    ),
    "AutoencoderDC": _of(
        "AutoencoderDC",
        (1, 4, 8, 7),
        latent_channels=4,
        attention_head_dim=8,
        encoder_block_out_channels=(8, 16, 16),
        decoder_block_out_channels=(8, 16, 16),
        encoder_layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        encoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock"),
        encoder_qkv_multiscales=((), (), (5,)),
        decoder_qkv_multiscales=((), (), (5,)),
    ),
    "AutoencoderKL": _of("AutoencoderKL", (1, 4, 8, 7), **FLAT, **TWO),
    "AutoencoderKLAllegro": _allegro,
    "AutoencoderKLCogVideoX": _of("AutoencoderKLCogVideoX", (1, 4, 7, 8, 7), **FOUR),
    "AutoencoderKLCosmos": _of(
        "AutoencoderKLCosmos",
        (1, 4, 5, 8, 7),
        latent_channels=4,
        encoder_block_out_channels=(8, 8, 8, 8),
        decode_block_out_channels=(8, 8, 8, 8),
        attention_resolutions=(8,),
        resolution=64,
        num_layers=1,
        patch_size=4,
        spatial_compression_ratio=8,
        temporal_compression_ratio=4,
    ),
    "AutoencoderKLFlux2": _of(
        "AutoencoderKLFlux2",
        (1, 4, 8, 7),
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=4,
        layers_per_block=1,
        **TWO,
    ),
    "AutoencoderKLHunyuanImage": _of(
        "AutoencoderKLHunyuanImage",
        (1, 4, 8, 7),
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(32, 64, 64),
        layers_per_block=1,
        spatial_compression_ratio=4,
        sample_size=64,
    ),
    "AutoencoderKLHunyuanImageRefiner": _of(
        "AutoencoderKLHunyuanImageRefiner",
        (1, 4, 3, 8, 7),
        latent_channels=4,
        block_out_channels=(16, 16, 16, 32),
        layers_per_block=1,
        spatial_compression_ratio=8,
        temporal_compression_ratio=4,
    ),
    "AutoencoderKLHunyuanVideo": _of("AutoencoderKLHunyuanVideo", (1, 4, 5, 8, 7), **FOUR),
    "AutoencoderKLHunyuanVideo15": _of(
        "AutoencoderKLHunyuanVideo15",
        (1, 4, 5, 8, 7),
        latent_channels=4,
        block_out_channels=(16, 16, 16, 32),
        layers_per_block=1,
        spatial_compression_ratio=8,
        temporal_compression_ratio=4,
    ),
    "AutoencoderKLKVAE": _of(
        "AutoencoderKLKVAE",
        (1, 4, 8, 7),
        channels=32,
        num_enc_blocks=1,
        num_dec_blocks=1,
        z_channels=4,
        ch_mult=(1, 1),
        sample_size=32,
    ),
    "AutoencoderKLKVAEVideo": _of(
        "AutoencoderKLKVAEVideo", (1, 4, 9, 8, 7), ch=32, ch_mult=(1, 1, 1), num_res_blocks=1, z_channels=4
    ),
    "AutoencoderKLLTXVideo": _of(
        "AutoencoderKLLTXVideo",
        (1, 8, 5, 8, 7),
        down_block_types=("LTXVideoDownBlock3D",) * 2,
        downsample_type=("conv", "conv"),
        **LTX,
    ),
    "AutoencoderKLLTX2Video": _of(
        "AutoencoderKLLTX2Video",
        (1, 8, 5, 8, 7),
        down_block_types=("LTX2VideoDownBlock3D",) * 2,
        downsample_type=("spatial", "temporal"),
        upsample_type=("spatiotemporal", "spatiotemporal"),
        **LTX,
    ),
    "AutoencoderKLMagvit": _of("AutoencoderKLMagvit", (1, 4, 6, 8, 7), **FOUR),
    "AutoencoderKLMiniMaxH3": _of(
        "AutoencoderKLMiniMaxH3",
        (1, 4, 9, 8, 7),
        latent_channels=4,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        spatial_downsample_factors=(2, 2, 1),
        temporal_downsample_factors=(1, 2, 2),
        norm_num_groups=4,
        decoder_num_layers=2,
        decoder_num_attention_heads=2,
        decoder_attention_head_dim=16,
        latents_mean=(0.0,) * 4,
        latents_std=(1.0,) * 4,
    ),
    "AutoencoderKLMochi": _of(
        "AutoencoderKLMochi",
        (1, 12, 5, 8, 7),
        encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(32, 32, 32, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        add_attention_block=(False, True, True, True, True),
    ),
    "AutoencoderKLQwenImage": _of("AutoencoderKLQwenImage", (1, 16, 1, 8, 7), **QWEN),
    "AutoencoderKLQwenImage21": _of(
        "AutoencoderKLQwenImage21",
        (1, 8, 1, 8, 7),
        base_dim=4,
        decoder_base_dim=4,
        z_dim=8,
        dim_mult=[1, 1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.0] * 8,
        latents_std=[1.0] * 8,
    ),
    "AutoencoderKLTemporalDecoder": _of(
        "AutoencoderKLTemporalDecoder",
        (6, 4, 8, 7),
        {"num_frames": 6},
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
    ),
    "AutoencoderKLWan": _of("AutoencoderKLWan", (1, 16, 5, 8, 7), **QWEN),
    "AutoencoderRAE": _of(
        "AutoencoderRAE",
        (1, 64, 4, 4),
        encoder_hidden_size=64,
        encoder_patch_size=4,
        encoder_num_hidden_layers=1,
        decoder_hidden_size=32,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
        patch_size=4,
        encoder_input_size=16,
        image_size=16,
    ),
    "AutoencoderTiny": _of("AutoencoderTiny", (1, 4, 8, 7)),
    "AutoencoderVidTok": _of("AutoencoderVidTok", (1, 4, 4, 8, 7), ch=8, ch_mult=[1, 1, 1, 1], num_res_blocks=1),
    "ConsistencyDecoderVAE": _of(
        "ConsistencyDecoderVAE",
        (1, 4, 8, 8),
        encoder_block_out_channels=(8, 8),
        encoder_down_block_types=("DownEncoderBlock2D",) * 2,
        encoder_layers_per_block=1,
        encoder_norm_num_groups=4,
        decoder_block_out_channels=(8, 8),
        decoder_down_block_types=("ResnetDownsampleBlock2D",) * 2,
        decoder_up_block_types=("ResnetUpsampleBlock2D",) * 2,
        decoder_layers_per_block=1,
        decoder_norm_num_groups=4,
    ),
    "Kandinsky6SRVAE": _of(
        "Kandinsky6SRVAE",
        (1, 8, 13, 8, 7),
        latent_channels=8,
        encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        layers_per_block=1,
        temporal_compression_ratio=4,
    ),
    "LTX2VideoDiffusionDecoderModel": _of("LTX2VideoDiffusionDecoderModel", (1, 8, 3, 8, 7)),
    "VQModel": _of("VQModel", (1, 4, 8, 7), {"force_not_quantize": True}, **FLAT, **TWO),
}
