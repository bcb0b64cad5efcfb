"""Video transformers of other families."""

from __future__ import annotations

from typing import Any

import torch

from tests.matrix.recipe import Call, Given, Recipe, keyword, normal

TEXT = 6
LATENTS = (1, 4, 2, 8, 8)
MASK = torch.ones(1, TEXT, dtype=torch.bool)
HEADS: Given = {"num_attention_heads": 2, "attention_head_dim": 8}
WIDE: Given = {"num_attention_heads": 2, "attention_head_dim": 12}
FOUR: Given = {"in_channels": 4, "out_channels": 4}
COGVIDEOX: Given = {
    **FOUR,
    **HEADS,
    "time_embed_dim": 8,
    "text_embed_dim": 12,
    "num_layers": 2,
    "sample_width": 8,
    "sample_height": 8,
    "sample_frames": 5,
    "max_text_seq_length": TEXT,
}
HUNYUAN: Given = {
    **FOUR,
    "num_attention_heads": 2,
    "attention_head_dim": 10,
    "num_layers": 2,
    "num_single_layers": 2,
    "num_refiner_layers": 2,
    "text_embed_dim": 12,
    "pooled_projection_dim": 8,
    "rope_axes_dim": (2, 4, 4),
}


def recipe(name: str, config: Given, given: Any, call: Call | None = None, blocks: int = 2, **more: Any) -> Recipe:
    """Two blocks on two frames of 8 by 8 latents of four channels, unless said otherwise."""
    return Recipe(name, config, more.pop("latents", LATENTS), given, blocks, call=call or keyword(), **more)


def text(width: int, /, **more: Any) -> Any:
    """Embeddings of a prompt, and what else is given."""
    return lambda: {"encoder_hidden_states": normal(1, TEXT, width), **more}


def pooled() -> Given:
    """HunyuanVideo's prompt."""
    return {
        "encoder_hidden_states": normal(1, TEXT, 12),
        "encoder_attention_mask": MASK.long(),
        "pooled_projections": normal(1, 8),
        "guidance": torch.tensor([6000.0]),
    }


def framepack() -> Given:
    """The same, and an image and earlier frames at several scales."""
    return {
        **pooled(),
        "image_embeds": normal(1, 3, 10),
        "indices_latents": torch.arange(2),
        "latents_clean": normal(1, 4, 2, 8, 8),
        "indices_latents_clean": torch.arange(2),
        "latents_history_2x": normal(1, 4, 2, 8, 8),
        "indices_latents_history_2x": torch.arange(2),
        "latents_history_4x": normal(1, 4, 4, 8, 8),
        "indices_latents_history_4x": torch.arange(4),
    }


def kandinsky(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Channels come last."""
    return module(latents.permute(0, 2, 3, 4, 1), timestep=t.expand(1), **given, return_dict=False)


RECIPES = (
    recipe(
        "AllegroTransformer3DModel",
        {**WIDE, "num_layers": 2, "cross_attention_dim": 24, "caption_channels": 12}
        | {"sample_height": 8, "sample_width": 8, "sample_frames": 2},
        text(12, attention_mask=torch.ones(1, 2, 8, 8), encoder_attention_mask=MASK),
    ),
    recipe("CogVideoXTransformer3DModel", COGVIDEOX, text(12), latents=(1, 2, 4, 8, 8)),
    recipe(
        "ConsisIDTransformer3DModel",
        {**COGVIDEOX, "is_train_face": True, "cross_attn_interval": 1, "cross_attn_dim_head": 8}
        | {"cross_attn_num_heads": 2, "LFE_id_dim": 8, "LFE_vit_dim": 8, "LFE_depth": 5, "LFE_dim_head": 8}
        | {"LFE_num_heads": 2, "LFE_num_id_token": 1, "LFE_num_querie": 2, "LFE_output_dim": 10}
        | {"LFE_ff_mult": 1, "LFE_num_scale": 1},
        text(12, id_cond=normal(1, 8), id_vit_hidden=[normal(1, 2, 8)]),
        latents=(1, 2, 4, 8, 8),
    ),
    recipe(
        "CosmosTransformer3DModel",
        {**FOUR, **WIDE, "num_layers": 2, "mlp_ratio": 2, "text_embed_dim": 12, "adaln_lora_dim": 4}
        | {"max_size": (4, 16, 16), "extra_pos_embed_type": "learnable", "concat_padding_mask": False},
        text(12, fps=30),
        keyword(scale=1e-3),
    ),
    recipe(
        "EasyAnimateTransformer3DModel",
        {**FOUR, **HEADS, "attention_head_dim": 16, "patch_size": 2, "num_layers": 2, "mmdit_layers": 2}
        | {"text_embed_dim": 12, "time_embed_dim": 8, "sample_width": 8, "sample_height": 8},
        text(12),
    ),
    recipe("HunyuanVideoTransformer3DModel", HUNYUAN, pooled, blocks=4),
    recipe(
        "HunyuanVideoFramepackTransformer3DModel",
        {**HUNYUAN, "has_image_proj": True, "image_proj_dim": 10, "has_clean_x_embedder": True},
        framepack,
        blocks=4,
    ),
    recipe(
        "HunyuanVideo15Transformer3DModel",
        {**FOUR, **HEADS, "num_layers": 2, "text_embed_dim": 12, "text_embed_2_dim": 10, "image_embed_dim": 6}
        | {"rope_axes_dim": (2, 2, 4), "target_size": 16, "task_type": "t2v"},
        text(
            12,
            encoder_attention_mask=MASK,
            encoder_hidden_states_2=normal(1, 5, 10),
            encoder_attention_mask_2=torch.ones(1, 5, dtype=torch.bool),
            image_embeds=torch.zeros(1, 3, 6),
        ),
    ),
    recipe(
        "JoyImageEditTransformer3DModel",
        {"in_channels": 4, "hidden_size": 16, "num_attention_heads": 2, "text_dim": 12, "num_layers": 2}
        | {"rope_dim_list": [2, 2, 4]},
        text(12),
    ),
    recipe(
        "Kandinsky5Transformer3DModel",
        {"in_visual_dim": 4, "in_text_dim": 12, "in_text_dim2": 8, "time_dim": 16, "out_visual_dim": 4, "model_dim": 16}
        | {"ff_dim": 32, "num_text_blocks": 2, "num_visual_blocks": 2, "axes_dims": (4, 2, 2)},
        text(
            12,
            pooled_projections=normal(1, 8),
            visual_rope_pos=[torch.arange(2), torch.arange(4), torch.arange(4)],
            text_rope_pos=torch.arange(TEXT),
        ),
        kandinsky,
        blocks=4,
    ),
    recipe(
        "Kandinsky6SRTransformer3DModel",
        {"in_visual_dim": 2, "out_visual_dim": 4, "time_dim": 16, "model_dim": 32, "ff_dim": 32, "num_visual_blocks": 2}
        | {"axes_dims": (4, 6, 6), "nabla_window": (3, 3, 3)},
        dict,
        kandinsky,
        latents=(1, 5, 1, 16, 16),
    ),
    recipe(
        "LTXVideoTransformer3DModel",
        {**FOUR, **HEADS, "cross_attention_dim": 16, "num_layers": 2, "caption_channels": 12},
        text(12, encoder_attention_mask=MASK.long(), num_frames=2, height=4, width=4),
        latents=(1, 32, 4),
    ),
    recipe(
        "LatteTransformer3DModel",
        {**FOUR, **HEADS, "num_layers": 2, "cross_attention_dim": 16, "caption_channels": 12, "sample_size": 8}
        | {"patch_size": 2, "video_length": 2, "attention_bias": True, "norm_elementwise_affine": False}
        | {
            "norm_eps": 1e-6,
            "num_embeds_ada_norm": 1000,
            "norm_type": "ada_norm_single",
            "activation_fn": "gelu-approximate",
        },
        text(12, enable_temporal_attentions=True),
        blocks=4,
    ),
    recipe(
        "MochiTransformer3DModel",
        {**HEADS, "num_layers": 2, "pooled_projection_dim": 16, "in_channels": 4, "text_embed_dim": 16}
        | {"attention_head_dim": 16, "time_embed_dim": 8, "max_sequence_length": TEXT},
        text(16, encoder_attention_mask=MASK),
    ),
    recipe(
        "MotifVideoTransformer3DModel",
        {**FOUR, **WIDE, "num_layers": 2, "num_single_layers": 2, "num_decoder_layers": 2, "text_embed_dim": 12}
        | {"image_embed_dim": 6, "rope_axes_dim": (4, 4, 4), "enable_text_cross_attention_dual": True}
        | {"enable_text_cross_attention_single": True},
        text(12, encoder_attention_mask=MASK, image_embeds=normal(1, 3, 6)),
        blocks=4,
    ),
    recipe(
        "SanaVideoTransformer3DModel",
        {**FOUR, **WIDE, "num_layers": 2, "num_cross_attention_heads": 2, "cross_attention_head_dim": 12}
        | {"cross_attention_dim": 24, "caption_channels": 12, "sample_size": 8, "rope_max_seq_len": 32},
        text(12, encoder_attention_mask=MASK.float()),
    ),
)
