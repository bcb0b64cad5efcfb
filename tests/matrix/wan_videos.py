"""Video transformers that grew from Wan: three-dimensional patches, rotary positions, a prompt by cross-attention."""

from __future__ import annotations

from typing import Any

import torch

from tests.matrix.recipe import Call, Given, Recipe, keyword, normal

TEXT = 6
LATENTS = (1, 4, 2, 8, 8)
WAN: Given = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": 12,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 2,
    "rope_max_seq_len": 32,
}


def wan(
    name: str, *, call: Call | None = None, latents: Any = LATENTS, given: Given | None = None, **config: Any
) -> Recipe:
    """A class with Wan's configuration: two blocks of width 24."""
    config = {**WAN, **config}
    return Recipe(
        name,
        {key: value for key, value in config.items() if value is not None},
        latents,
        lambda: {"encoder_hidden_states": normal(1, TEXT, 12), **(given or {})},
        blocks=config["num_layers"] + len(config.get("vace_layers", ())),
        call=call or keyword(),
    )


def of_frames(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """One time for each frame, `(batch, frames)`."""
    return module(hidden_states=latents, timestep=t.expand(1, 2), **given, return_dict=False)


def of_anyflow(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Frames come before channels, with a time for each frame, and the time to jump to."""
    frames = latents.transpose(1, 2)
    times = {"timestep": t.expand(1, frames.shape[1]), "r_timestep": t.expand(1, frames.shape[1]) / 2}
    return module(hidden_states=frames, **times, **given, return_dict=False)[0]


def animate_2() -> Given:
    """What a segment is given; the pass over its reference has left keys and values."""
    from diffusers.models.transformers.transformer_wan_animate_2 import WanAnimate2KVCache  # new in diffusers 0.42

    cache = WanAnimate2KVCache(2)
    for layer in cache.layer_caches:
        layer.store(normal(1, 4, 2, 12), normal(1, 4, 2, 12))
    return {
        "encoder_hidden_states": [normal(TEXT, 12)],
        "encoder_hidden_states_image": normal(1, 3, 1280),
        "condition_latents": [normal(6, 2, 4, 4)],
        "kv_cache": cache,
        "kv_cache_mode": "cached",
        "seq_len": 8,
        "reference_grid_sizes": torch.tensor([[1, 2, 2]]),
        "origin_len": 5,
        "origin_area": [32, 32],
    }


def call_animate_2(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Latents come as a list."""
    return module(hidden_states=list(latents), timestep=t.expand(1), **given, return_dict=False)


RECIPES = (
    wan(
        "WanTransformer3DModel",
        image_dim=10,
        given={"encoder_hidden_states_image": normal(1, 4, 10)},
        added_kv_proj_dim=24,
    ),
    wan(
        "WanVACETransformer3DModel",
        num_layers=4,
        vace_layers=[0, 2],
        vace_in_channels=6,
        given={"control_hidden_states": normal(1, 6, 2, 8, 8), "control_hidden_states_scale": torch.ones(2)},
    ),
    wan(
        "WanAnimateTransformer3DModel",
        latents=(1, 12, 3, 8, 8),
        in_channels=12,
        latent_channels=4,
        image_dim=16,
        motion_encoder_channel_sizes={"4": 8, "8": 8, "16": 8},
        motion_encoder_size=16,
        motion_style_dim=8,
        motion_dim=4,
        motion_encoder_dim=8,
        face_encoder_hidden_dim=8,
        face_encoder_num_heads=2,
        inject_face_latents_blocks=1,
        given={
            "encoder_hidden_states_image": normal(1, 4, 16),
            "pose_hidden_states": normal(1, 4, 2, 8, 8),
            "face_pixel_values": normal(1, 3, 5, 16, 16),
        },
    ),
    Recipe(
        "WanAnimate2Transformer3DModel",
        {
            "text_len": TEXT,
            "in_dim": 10,
            "dim": 24,
            "ffn_dim": 32,
            "freq_dim": 16,
            "text_dim": 12,
            "out_dim": 4,
            "num_heads": 2,
            "num_layers": 2,
        },
        (1, 4, 2, 4, 4),
        animate_2,
        blocks=2,
        call=call_animate_2,
    ),
    wan("ChronoEditTransformer3DModel", rope_temporal_skip_len=8),
    wan(
        "SkyReelsV2Transformer3DModel",
        inject_sample_info=True,
        given={"enable_diffusion_forcing": True, "fps": torch.ones(1, dtype=torch.long)},
        call=of_frames,
    ),
    wan("AnyFlowTransformer3DModel", call=of_anyflow),
    wan(
        "AnyFlowFARTransformer3DModel",
        compressed_patch_size=(1, 4, 4),
        full_chunk_limit=3,
        given={"chunk_partition": [1, 1]},
        call=of_anyflow,
    ),
    wan(
        "HeliosTransformer3DModel",
        rope_max_seq_len=None,
        rope_dim=(4, 4, 4),
        given={
            "indices_hidden_states": torch.tensor([[6.0, 7.0]]),
            "indices_latents_history_short": torch.tensor([[5.0]]),
            "indices_latents_history_mid": torch.tensor([[4.0, 4.5]]),
            "indices_latents_history_long": torch.tensor([[0.0, 1.0, 2.0, 3.0]]),
            "latents_history_short": normal(1, 4, 1, 8, 8),
            "latents_history_mid": normal(1, 4, 2, 8, 8),
            "latents_history_long": normal(1, 4, 4, 8, 8),
        },
    ),
)
