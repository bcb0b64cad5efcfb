"""Parts that full-size pipelines are made of: text encoders and an autoencoder, without weights."""

from __future__ import annotations

import diffusers as d
import torch
import transformers as t


def clip_text(width: int = 768, layers: int = 12) -> t.CLIPTextModel:
    """The text encoder of SD1.5, or of SD2."""
    config = t.CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        projection_dim=width,
        vocab_size=49408,
    )
    return t.CLIPTextModel(config)


def t5(width: int = 4096, vocabulary: int = 32128, umt5: bool = False) -> torch.nn.Module:
    """T5 v1.1 XXL's encoder, or UMT5's."""
    config = (t.UMT5Config if umt5 else t.T5Config)(
        d_model=width,
        d_ff=10240,
        d_kv=64,
        num_heads=64,
        num_layers=24,
        vocab_size=vocabulary,
        feed_forward_proj="gated-gelu",
    )
    return (t.UMT5EncoderModel if umt5 else t.T5EncoderModel)(config)


def sd_vae() -> d.AutoencoderKL:
    """The autoencoder of SD1.5."""
    return d.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        scaling_factor=0.18215,
    )
