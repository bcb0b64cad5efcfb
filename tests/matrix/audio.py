"""Denoisers of sound."""

from __future__ import annotations

from typing import Any

import torch

from tests.matrix.recipe import Given, Recipe, keyword, normal, positional

TEXT = 6
LENGTH = 16
MASK = torch.ones(1, TEXT, dtype=torch.bool)


def text(width: int, /, **more: Any) -> Any:
    """Embeddings of a prompt, and what else is given."""
    return lambda: {"encoder_hidden_states": normal(1, TEXT, width), **more}


def call_ace_step(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """The time is told twice, as a fraction."""
    times = t.expand(1) / 1000
    return module(hidden_states=latents, timestep=times, timestep_r=times, **given, return_dict=False)


def call_spectrogram(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Names of its own, and a bare tensor as output."""
    return module(decoder_input_tokens=latents, decoder_noise_time=t.expand(1) / 1000, **given)


RECIPES = (
    Recipe(
        "AceStepTransformer1DModel",
        {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
        | {"num_key_value_heads": 2, "head_dim": 8, "in_channels": 24, "audio_acoustic_hidden_dim": 8}
        | {"sliding_window": 4},
        (1, LENGTH, 8),
        text(32, context_latents=normal(1, LENGTH, 16)),
        blocks=2,
        call=call_ace_step,
    ),
    Recipe(
        "LongCatAudioDiTTransformer",
        {"dit_dim": 32, "dit_depth": 2, "dit_heads": 2, "dit_text_dim": 12, "latent_dim": 8},
        (1, LENGTH, 8),
        text(
            12,
            encoder_attention_mask=MASK,
            attention_mask=torch.ones(1, LENGTH, dtype=torch.bool),
            latent_cond=normal(1, LENGTH, 8),
        ),
        blocks=2,
        call=keyword(scale=1e-3),
    ),
    Recipe(
        "MiniMaxMusic3Transformer1DModel",
        {"in_channels": 8, "condition_dim": 12, "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 8}
        | {"ff_inner_dim": 32, "rotary_dim": 4, "fourier_embedding_dim": 8},
        (1, 8, LENGTH),
        lambda: {"encoder_hidden_states": normal(1, LENGTH, 12)},
        blocks=2,
        call=keyword(scale=1e-3),
    ),
    Recipe(
        "StableAudioDiTModel",
        {"sample_size": LENGTH, "in_channels": 8, "num_layers": 2, "attention_head_dim": 8, "num_attention_heads": 2}
        | {"num_key_value_attention_heads": 2, "out_channels": 8, "cross_attention_dim": 16, "time_proj_dim": 8}
        | {"global_states_input_dim": 10, "cross_attention_input_dim": 12},
        (1, 8, LENGTH),
        text(12, global_hidden_states=normal(1, 1, 10), rotary_embedding=(normal(17, 4).cos(), normal(17, 4).sin())),
        blocks=2,
    ),
    Recipe(
        "StableAudio3DiTModel",
        {"io_channels": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "cond_token_dim": 12, "global_cond_dim": 12}
        | {"local_add_cond_dim": 5, "timestep_features_dim": 16, "ff_mult": 2, "num_memory_tokens": 3},
        (1, 8, LENGTH),
        text(12, global_hidden_states=normal(1, 12), local_add_cond=normal(1, 5, LENGTH)),
        blocks=2,
        call=keyword(scale=1e-3),
    ),
    Recipe(
        "T5FilmDecoder",
        {
            "input_dims": 8,
            "targets_length": LENGTH,
            "d_model": 16,
            "num_layers": 2,
            "num_heads": 2,
            "d_kv": 8,
            "d_ff": 32,
        },
        (1, LENGTH, 8),
        lambda: {"encodings_and_masks": [(normal(1, TEXT, 16), torch.ones(1, TEXT, dtype=torch.long))]},
        blocks=2,
        call=call_spectrogram,
        component="decoder",
    ),
    Recipe(
        "UNet1DModel",  # as dance diffusion has it
        {"in_channels": 2, "out_channels": 2, "extra_in_channels": 64, "block_out_channels": (32, 32, 64)},
        (1, 2, 64),
        skips=3,
        call=positional,
        component="unet",
    ),
    Recipe(
        "AudioLDM2UNet2DConditionModel",
        {"sample_size": 8, "in_channels": 4, "out_channels": 4, "block_out_channels": (8, 16), "layers_per_block": 2}
        | {
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        }
        | {"norm_num_groups": 4, "attention_head_dim": 4, "cross_attention_dim": ((None, 12, 10), (None, 12, 10))},
        (1, 4, 8, 8),
        lambda: {
            "encoder_hidden_states": normal(1, TEXT, 12),
            "encoder_hidden_states_1": normal(1, 5, 10),
            "encoder_attention_mask_1": torch.ones(1, 5),
        },
        blocks=18,  # each layer attends to itself and to two prompts
        skips=6,
        call=positional,
        component="unet",
        module="diffusers.pipelines.audioldm2.modeling_audioldm2",
    ),
)
