"""Image transformers that take latents as pictures and attend to a prompt."""

from __future__ import annotations

from typing import Any

import torch

from tests.matrix.recipe import Call, Given, Recipe, keyword, normal

TEXT = 6
LATENTS = (1, 4, 8, 8)
MASK = torch.ones(1, TEXT, dtype=torch.bool)
SIZES: Given = {
    "original_size": torch.tensor([[64.0, 64.0]]),
    "target_size": torch.tensor([[64.0, 64.0]]),
    "crop_coords": torch.tensor([[0.0, 0.0]]),
}
HEADS: Given = {"num_attention_heads": 2, "attention_head_dim": 8}
FOUR: Given = {"in_channels": 4, "out_channels": 4}
COGVIEW: Given = {**FOUR, **HEADS, "patch_size": 2, "num_layers": 2, "text_embed_dim": 12, "time_embed_dim": 16}


def text(width: int, /, **more: Any) -> Any:
    """Embeddings of a prompt, and what else is given."""
    return lambda: {"encoder_hidden_states": normal(1, TEXT, width), **more}


def hunyuan_dit() -> Given:
    """Two text encoders, the picture's sizes, a style, rotary positions."""
    return {
        "encoder_hidden_states": normal(1, TEXT, 12),
        "text_embedding_mask": torch.ones(1, TEXT),
        "encoder_hidden_states_t5": normal(1, 5, 16),
        "text_embedding_mask_t5": torch.ones(1, 5),
        "image_meta_size": torch.tensor([[64.0, 64.0, 64.0, 64.0, 0.0, 0.0]]),
        "style": torch.zeros(1, dtype=torch.long),
        "image_rotary_emb": (normal(16, 8).cos(), normal(16, 8).sin()),
    }


def recipe(name: str, config: Given, given: Any, call: Call | None = None, blocks: int = 2, **more: Any) -> Recipe:
    """Two blocks on 8 by 8 latents of four channels, unless said otherwise."""
    return Recipe(name, config, more.pop("latents", LATENTS), given, blocks, call=call or keyword(), **more)


RECIPES = (
    recipe(
        "DiTTransformer2DModel",
        {**HEADS, "in_channels": 4, "out_channels": 8, "num_layers": 2, "sample_size": 8, "num_embeds_ada_norm": 1000},
        lambda: {"class_labels": torch.tensor([3])},
    ),
    recipe(
        "PixArtTransformer2DModel",
        {**HEADS, "num_layers": 2, "cross_attention_dim": 16, "sample_size": 8, "caption_channels": 12},
        text(12, added_cond_kwargs={"resolution": None, "aspect_ratio": None}, encoder_attention_mask=MASK.float()),
    ),
    recipe(
        "SD3Transformer2DModel",
        {
            **FOUR,
            **HEADS,
            "sample_size": 8,
            "num_layers": 3,
            "caption_projection_dim": 16,
            "joint_attention_dim": 12,
            "pooled_projection_dim": 8,
            "pos_embed_max_size": 8,
            "dual_attention_layers": (0,),
            "qk_norm": "rms_norm",
        },
        text(12, pooled_projections=normal(1, 8)),
        blocks=3,
    ),
    recipe(
        "AuraFlowTransformer2DModel",
        {
            **FOUR,
            **HEADS,
            "sample_size": 8,
            "num_mmdit_layers": 2,
            "num_single_dit_layers": 2,
            "caption_projection_dim": 16,
            "joint_attention_dim": 12,
            "pos_embed_max_size": 64,
        },
        text(12),
        keyword(scale=1e-3),
        blocks=4,
    ),
    recipe(
        "CogView3PlusTransformer2DModel",
        {**COGVIEW, "condition_dim": 2, "pos_embed_max_size": 8, "sample_size": 8},
        text(12, **SIZES),
    ),
    recipe("CogView4Transformer2DModel", {**COGVIEW, "condition_dim": 2, "rope_axes_dim": (8, 8)}, text(12, **SIZES)),
    recipe(
        "HunyuanDiT2DModel",
        {
            **HEADS,
            "in_channels": 4,
            "patch_size": 2,
            "sample_size": 8,
            "hidden_size": 16,
            "num_layers": 4,
            "cross_attention_dim": 12,
            "cross_attention_dim_t5": 16,
            "pooled_projection_dim": 8,
            "text_len": TEXT,
            "text_len_t5": 5,
        },
        hunyuan_dit,
        blocks=4,
    ),
    recipe(
        "LuminaNextDiT2DModel",
        {
            "sample_size": 8,
            "hidden_size": 24,
            "num_layers": 2,
            "num_attention_heads": 3,
            "num_kv_heads": 1,
            "multiple_of": 16,
            "cross_attention_dim": 12,
            "learn_sigma": False,
        },
        text(12, encoder_mask=MASK, image_rotary_emb=torch.polar(torch.ones(8, 8, 4), normal(8, 8, 4))),
        keyword(scale=1e-3, cross_attention_kwargs={}),
    ),
    recipe(
        "PRXTransformer2DModel",
        {
            "in_channels": 4,
            "context_in_dim": 12,
            "hidden_size": 16,
            "num_heads": 2,
            "depth": 2,
            "axes_dim": [4, 4],
        },
        text(12, attention_mask=MASK),
        keyword(scale=1e-3),
    ),
    recipe(
        "SanaTransformer2DModel",
        {
            **FOUR,
            **HEADS,
            "num_layers": 2,
            "num_cross_attention_heads": 2,
            "cross_attention_head_dim": 8,
            "cross_attention_dim": 16,
            "caption_channels": 12,
            "sample_size": 8,
        },
        text(12, encoder_attention_mask=MASK.float()),
    ),
    recipe(
        "GlmImageTransformer2DModel",
        {**COGVIEW, "condition_dim": 4, "prior_vq_quantizer_codebook_size": 16},
        text(
            12,
            prior_token_id=torch.arange(16)[None],
            prior_token_drop=torch.zeros(1, 16, dtype=torch.bool),
            target_size=SIZES["target_size"],
            crop_coords=SIZES["crop_coords"],
        ),
    ),
)
