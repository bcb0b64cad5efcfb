"""Video transformers that are given more than a noisy video and a prompt: sound, cameras, packed sequences."""

from __future__ import annotations

from typing import Any

import torch

from tests.matrix.recipe import Given, Recipe, grid, normal

TEXT = 6
MASK = torch.ones(1, TEXT, dtype=torch.bool)
LTX2: Given = {
    "in_channels": 4,
    "out_channels": 4,
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 16,
    "audio_in_channels": 4,
    "audio_out_channels": 4,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 4,
    "audio_cross_attention_dim": 8,
    "num_layers": 2,
    "caption_channels": 12,
    "rope_double_precision": False,
}


def text(width: int, /, **more: Any) -> Any:
    """Embeddings of a prompt, and what else is given."""
    return lambda: {"encoder_hidden_states": normal(1, TEXT, width), **more}


def ltx2() -> Given:
    """A video and a sound track are denoised together."""
    return {
        "audio_hidden_states": normal(1, 5, 4),
        "encoder_hidden_states": normal(1, TEXT, 12),
        "audio_encoder_hidden_states": normal(1, TEXT, 12),
        "encoder_attention_mask": MASK.long(),
        "audio_encoder_attention_mask": MASK.long(),
        "num_frames": 2,
        "height": 4,
        "width": 4,
        "audio_num_frames": 5,
        "fps": 25.0,
    }


def refiner(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Rotary positions are made by the model, outside of its forward."""
    rope = module.build_rotary_emb_for_absolute_positions(
        batch_size=1, frame_positions=[0, 1], height=4, width=4, device=latents.device, fps=25.0
    )
    return module(latents, timestep=t.expand(1, 32), video_rotary_emb=rope, **given, return_dict=False)


def minimax_h3() -> Given:
    """Text, audio and video in one packed sequence."""
    kinds = torch.tensor([1] * 4 + [2] * 6 + [0] * 8)
    positions = torch.nn.functional.pad(torch.arange(18.0)[:, None], (0, 2))
    return {
        "audio_hidden_states": normal(1, 6, 6),
        "encoder_hidden_states": normal(1, 4, 8),
        "timestep_indices": (kinds == 2).long(),
        "token_tags": kinds,
        "position_ids": positions,
        "text_indices": torch.arange(4),
        "audio_indices": torch.arange(4, 10),
        "video_indices": torch.arange(10, 18),
    }


def call_minimax_h3(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Video and sound each have a time."""
    times = torch.stack([t, t / 2]) / 1000
    return module(hidden_states=latents, timestep=times, **given, return_dict=False)


def cosmos3() -> Given:
    """Text, then video, in one packed sequence."""
    places = torch.arange(3, 11)
    return {
        "input_ids": torch.arange(3),
        "text_indexes": torch.arange(3),
        "position_ids": torch.cat([torch.arange(3).expand(3, 3), grid(2, 2, 2).T.long() + 3], 1),
        "und_len": 3,
        "sequence_length": 11,
        "vision_token_shapes": [(2, 2, 2)],
        "vision_sequence_indexes": places,
        "vision_mse_loss_indexes": places,
        "vision_noisy_frame_indexes": [torch.arange(2)],
    }


def call_cosmos3(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """One time for each token."""
    times = t.expand(8)
    output = module(vision_tokens=[latents], vision_timesteps=times, **given, return_dict=False)
    return output[0]


def joy_plus(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Patches come cut: `(batch, patches, channels, 1, 2, 2)`."""
    return module(latents, timestep=t.expand(1), **given, return_dict=False)


def camera() -> torch.Tensor:
    """For each frame a pose, four by four, and focal lengths and centre."""
    pose = torch.eye(4).flatten().expand(1, 2, 16)
    return torch.cat([pose, torch.tensor([4.0, 4.0, 2.0, 2.0]).expand(1, 2, 4)], -1)


def sana_wm(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """A time for each frame, by position."""
    given = dict(given)
    return module(latents, t.expand(1, 1, 2), given.pop("prompt"), **given, return_dict=False)


RECIPES = (
    Recipe(
        "Cosmos3OmniTransformer",
        {"head_dim": 12, "hidden_size": 24, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
        | {"num_key_value_heads": 1, "rope_axes_dim": [2, 2, 2], "vocab_size": 16}
        | {"latent_channel": 4, "latent_patch_size": 1, "patch_latent_dim": 4},
        (1, 4, 2, 2, 2),
        cosmos3,
        blocks=2,
        call=call_cosmos3,
    ),
    Recipe(
        "JoyImageEditPlusTransformer3DModel",
        {"in_channels": 4, "hidden_size": 16, "num_attention_heads": 2, "text_dim": 12, "num_layers": 2}
        | {"rope_dim_list": [2, 2, 4]},
        (1, 8, 4, 1, 2, 2),
        text(12, encoder_hidden_states_mask=MASK, shape_list=[[(1, 2, 2), (1, 2, 2)]]),
        blocks=2,
        call=joy_plus,
    ),
    Recipe(
        "Kandinsky6Transformer3DModel",
        {"in_visual_dim": 4, "in_text_dim": 12, "in_text_dim2": 8, "time_dim": 16, "out_visual_dim": 4, "model_dim": 16}
        | {"ff_dim": 32, "num_text_blocks": 2, "num_visual_blocks": 2, "axes_dims": (4, 2, 2), "visual_cond": False}
        | {"in_audio_dim": 4, "out_audio_dim": 4, "ca_rope": True, "cross_gates": True, "fix_modulation": True},
        (1, 2, 8, 8, 4),
        text(12, pooled_projections=normal(1, 8), audio_hidden_states=normal(1, 5, 4), encoder_attention_mask=MASK),
        blocks=6,  # two for each of two texts, then two for video and sound
    ),
    Recipe("LTX2VideoTransformer3DModel", LTX2, (1, 32, 4), ltx2, blocks=2),
    Recipe(
        "SanaWMLTX2RefinerTransformer3DModel",
        LTX2,
        (1, 32, 4),
        text(12, encoder_attention_mask=MASK.long()),
        blocks=2,
        call=refiner,
    ),
    Recipe(
        "MiniMaxH3Transformer3DModel",
        {"num_attention_heads": 2, "attention_head_dim": 16, "hidden_size": 24, "num_layers": 2}
        | {
            "num_refiner_layers": 2,
            "ffn_dim": 32,
            "in_channels": 2,
            "audio_in_channels": 6,
            "text_dim": 8,
            "freq_dim": 8,
        }
        | {"rope_freq_dim": 2, "time_embed_hidden_dim": 24, "time_embed_dim": 16},
        (1, 8, 8),
        minimax_h3,
        blocks=2,
        call=call_minimax_h3,
    ),
    Recipe(
        "SanaWMTransformer3DModel",
        {"in_channels": 4, "num_layers": 4, "hidden_size": 32, "num_attention_heads": 2, "linear_head_dim": 16}
        | {"softmax_every_n": 2, "chunk_plucker_channels": 6, "chunk_plucker_post_attn_blocks": 4}
        | {"caption_channels": 12},
        (1, 4, 2, 4, 4),
        lambda: {
            "prompt": normal(1, 1, TEXT, 12),
            "mask": MASK.long(),
            "camera_conditions": camera(),
            "chunk_plucker": normal(1, 6, 2, 4, 4),
        },
        blocks=4,
        call=sana_wm,
    ),
)
