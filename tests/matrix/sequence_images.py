"""Image transformers that cut latents into patches and put them and the text into one sequence."""

from __future__ import annotations

from typing import Any

import torch

from tests.matrix.recipe import Call, Given, Recipe, keyword, normal

TEXT = 6
LATENTS = (1, 4, 8, 8)
MASK = torch.ones(1, TEXT, dtype=torch.bool)
HEADS: Given = {"num_attention_heads": 2, "attention_head_dim": 8}
FOUR: Given = {"in_channels": 4, "out_channels": 4}


def text(width: int, /, **more: Any) -> Any:
    """Embeddings of a prompt, and what else is given."""
    return lambda: {"encoder_hidden_states": normal(1, TEXT, width), **more}


def omnigen() -> Given:
    """A prompt as token ids, which the time and the picture's tokens follow."""
    length = TEXT + 1 + 16
    return {
        "input_ids": torch.arange(TEXT)[None],
        "input_img_latents": [],
        "input_image_sizes": {},
        "attention_mask": torch.ones(1, length, length),
        "position_ids": torch.arange(length)[None],
    }


def call_omnigen(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """As OmniGen's pipeline calls it."""
    return module(hidden_states=latents, timestep=t.expand(1) / 1000, **given, return_dict=False)


def call_z_image(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Latents and texts come as lists, all by position."""
    output = module(list(latents.unsqueeze(2)), t.expand(1) / 1000, given["cap_feats"], return_dict=False)
    return torch.stack(list(output[0])).squeeze(2)


def call_lumina(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Time runs the other way, from 0 to 1."""
    return module(hidden_states=latents, timestep=1 - t.expand(1) / 1000, **given, return_dict=False)


def recipe(name: str, config: Given, given: Any, call: Call | None = None, blocks: int = 2, **more: Any) -> Recipe:
    """Two blocks on 8 by 8 latents of four channels, unless said otherwise."""
    return Recipe(name, config, more.pop("latents", LATENTS), given, blocks, call=call or keyword(), **more)


RECIPES = (
    recipe(
        "HiDreamImageTransformer2DModel",
        {
            **FOUR,
            **HEADS,
            "patch_size": 2,
            "num_layers": 2,
            "num_single_layers": 2,
            "caption_channels": [12, 10],
            "text_emb_dim": 8,
            "num_routed_experts": 2,
            "num_activated_experts": 2,
            "axes_dims_rope": (4, 2, 2),
            "max_resolution": (8, 8),
            "llama_layers": (0, 1, 0, 1),
            "force_inference_output": True,
        },
        lambda: {
            "encoder_hidden_states_t5": normal(1, TEXT, 12),
            "encoder_hidden_states_llama3": normal(2, 1, TEXT, 10),
            "pooled_embeds": normal(1, 8),
        },
        keyword(time="timesteps"),
        blocks=4,
    ),
    recipe(
        "HunyuanImageTransformer2DModel",
        {
            **FOUR,
            **HEADS,
            "num_layers": 2,
            "num_single_layers": 2,
            "num_refiner_layers": 2,
            "text_embed_dim": 12,
            "text_embed_2_dim": 10,
            "rope_axes_dim": (4, 4),
            "guidance_embeds": True,
        },
        text(
            12,
            encoder_attention_mask=MASK,
            encoder_hidden_states_2=normal(1, 5, 10),
            encoder_attention_mask_2=torch.ones(1, 5, dtype=torch.bool),
            guidance=torch.tensor([3500.0]),
        ),
        blocks=4,
    ),
    recipe(
        "Lumina2Transformer2DModel",
        {
            "sample_size": 8,
            "in_channels": 4,
            "hidden_size": 24,
            "num_layers": 2,
            "num_refiner_layers": 2,
            "num_attention_heads": 3,
            "num_kv_heads": 1,
            "multiple_of": 2,
            "axes_dim_rope": (4, 2, 2),
            "axes_lens": (32, 32, 32),
            "cap_feat_dim": 12,
        },
        text(12, encoder_attention_mask=MASK),
        call_lumina,
        blocks=6,  # refiners of noise and of text first
    ),
    recipe(
        "ZImageTransformer2DModel",
        {
            "in_channels": 4,
            "dim": 16,
            "n_layers": 2,
            "n_refiner_layers": 2,
            "n_heads": 2,
            "n_kv_heads": 2,
            "cap_feat_dim": 12,
            "axes_dims": [4, 2, 2],
            "axes_lens": [64, 16, 16],
        },
        lambda: {"cap_feats": [normal(TEXT, 12)]},
        call_z_image,
        blocks=6,
    ),
    recipe(
        "OmniGenTransformer2DModel",
        {
            "in_channels": 4,
            "hidden_size": 16,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "intermediate_size": 32,
            "num_layers": 2,
            "pad_token_id": 0,
            "vocab_size": 20,
            "pos_embed_max_size": 16,
            "time_step_dim": 16,
            "rope_scaling": {"long_factor": [1, 1, 1, 1], "short_factor": [1, 1, 1, 1]},
        },
        omnigen,
        call_omnigen,
    ),
    recipe(
        "ErnieImageTransformer2DModel",
        {
            **FOUR,
            "hidden_size": 16,
            "num_attention_heads": 2,
            "num_layers": 2,
            "ffn_hidden_size": 32,
            "text_in_dim": 12,
            "rope_axes_dim": (4, 2, 2),
        },
        lambda: {"text_bth": normal(1, TEXT, 12), "text_lens": torch.tensor([TEXT])},
    ),
    recipe(
        "BriaFibo2Transformer2DModel",
        {
            "in_channels": 4,
            "dim": 24,  # its feed-forward networks are as wide as a multiple of 64
            "n_layers": 3,
            "n_heads": 2,
            "cap_feat_dim": 12,
            "injection_layer_ids": (1,),
            "min_num_gist_tokens": 4,
            "max_num_gist_tokens": 8,
            "gist_step": 4,
            "gist_min_text_len": 4,
            "gist_max_text_len": 16,
            "axes_dims": (4, 4, 4),
            "axes_lens": (64, 16, 16),
        },
        lambda: {"encoder_hidden_states": normal(1, 2, TEXT, 12)},
        keyword(scale=1e-3),
        blocks=5,
    ),
)
