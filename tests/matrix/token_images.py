"""Image transformers whose latents come as packed tokens, with position ids: FLUX and its kin."""

from __future__ import annotations

from typing import Any

import torch

from tests.matrix.recipe import Given, Recipe, grid, keyword, normal

TEXT = 6
SIDE = 4
TOKENS = SIDE * SIDE


def ids(columns: int = 3) -> Given:
    """Position ids of the text and of a square of image tokens."""
    return {"txt_ids": torch.zeros(TEXT, columns), "img_ids": grid(SIDE, SIDE, columns=columns)}


def ids_of_sequence(batch: int = 1) -> Given:
    """The same with four columns and a batch axis: text counts in the last column."""
    text, image = grid(TEXT, columns=4), torch.nn.functional.pad(grid(SIDE, SIDE, columns=3), (0, 1))
    return {"txt_ids": text.expand(batch, -1, -1), "img_ids": image.expand(batch, -1, -1)}


def flux(name: str, given: Any, blocks: int = 4, **config: Any) -> Recipe:
    """A class with FLUX's configuration: two double blocks, two single ones."""
    common = {"patch_size": 1, "in_channels": 4, "num_layers": 2, "num_single_layers": 2, "attention_head_dim": 8}
    config = {**common, "num_attention_heads": 2, "joint_attention_dim": 12, "axes_dims_rope": [2, 2, 4], **config}
    return Recipe(
        name,
        config,
        (1, TOKENS, 4),
        lambda: {"encoder_hidden_states": normal(1, TEXT, config["joint_attention_dim"]), **given()},
        blocks=blocks,
        call=keyword(scale=1e-3),
    )


def qwen_shapes() -> list[list[tuple[int, int, int]]]:
    """One picture for each sample: frames, height and width in tokens."""
    return [[(1, SIDE, SIDE)]]


def ideogram() -> Given:
    """Text and image tokens in one sequence, told apart by an indicator."""
    length = TEXT + TOKENS
    positions = torch.zeros(1, length, 3, dtype=torch.long)
    positions[:, :TEXT] = torch.arange(TEXT)[:, None]
    positions[:, TEXT:, 1:] = grid(SIDE, SIDE).long()
    positions[:, TEXT:] += 65536
    return {
        "encoder_hidden_states": torch.cat([normal(1, TEXT, 12), torch.zeros(1, TOKENS, 12)], 1),
        "position_ids": positions,
        "segment_ids": torch.ones(1, length, dtype=torch.long),
        "indicator": torch.tensor([[3] * TEXT + [2] * TOKENS]),
    }


def call_ideogram(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """The image tokens are preceded by room for the text's."""
    padded = torch.nn.functional.pad(latents, (0, 0, TEXT, 0))
    output = module(hidden_states=padded, timestep=t.expand(1) / 1000, **given, return_dict=False)
    return output[0][:, TEXT:]


RECIPES = (
    flux(
        "FluxTransformer2DModel",
        lambda: {"pooled_projections": normal(1, 8), "guidance": torch.tensor([3.5]), **ids()},
        pooled_projection_dim=8,
        guidance_embeds=True,
    ),
    flux(
        "Flux2Transformer2DModel",
        lambda: {"guidance": torch.tensor([3.5]), **ids_of_sequence()},
        axes_dims_rope=[2, 2, 2, 2],
        timestep_guidance_channels=16,
    ),
    Recipe(
        "Flux3Transformer2DModel",
        {
            "in_channels": 4,
            "cond_in_channels": 4,
            "num_layers": 2,
            "num_single_layers": 2,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "joint_attention_dim": 12,
            "timestep_channels": 16,
            "axes_dims_rope": (2, 2, 2, 2),
        },
        (1, TOKENS, 4),
        lambda: {
            "encoder_hidden_states": normal(1, TEXT, 12),
            "image_cond_hidden_states": normal(1, TOKENS, 4),
            "image_cond_ids": grid(SIDE, SIDE, columns=4),
            "txt_ids": grid(TEXT, columns=4),
            "img_ids": grid(SIDE, SIDE, columns=4),
        },
        blocks=8,  # two for each of text, image and reference, then two for all
        call=keyword(scale=1e-3),
    ),
    flux("BriaTransformer2DModel", ids),
    flux(
        "BriaFiboTransformer2DModel",
        lambda: {"text_encoder_layers": [normal(1, TEXT, 6) for _ in range(4)], **ids()},
        text_encoder_dim=6,
        joint_attention_dim=12,
    ),
    flux(
        "ChromaTransformer2DModel",
        lambda: {"attention_mask": torch.ones(1, TEXT + TOKENS, dtype=torch.bool), **ids()},
        approximator_num_channels=8,
        approximator_hidden_dim=16,
        approximator_layers=2,
    ),
    flux("LongCatImageTransformer2DModel", ids, pooled_projection_dim=8),
    flux("OvisImageTransformer2DModel", ids, out_channels=4),
    Recipe(
        "QwenImageTransformer2DModel",
        {
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 4,
            "num_layers": 2,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "joint_attention_dim": 12,
            "axes_dims_rope": (2, 2, 4),
        },
        (1, TOKENS, 16),
        lambda: {
            "encoder_hidden_states": normal(1, TEXT, 12),
            "encoder_hidden_states_mask": torch.ones(1, TEXT, dtype=torch.bool),
            "img_shapes": qwen_shapes(),
        },
        blocks=2,
        call=keyword(scale=1e-3),
    ),
    Recipe(
        "QwenImage21Transformer2DModel",
        {
            "in_channels": 4,
            "out_channels": 4,
            "num_layers": 2,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "context_in_dim": 12,
            "axes_dims_rope": (2, 2, 4),
        },
        (1, TOKENS, 4),
        lambda: {
            "encoder_hidden_states": normal(1, TEXT, 12),
            "img_shapes": qwen_shapes(),
            # an image slot of the text encoder stands for two by two latent tokens
            "img_mask": torch.tensor([[False] * TEXT + [True] * (TOKENS // 4)]),
        },
        blocks=2,
        call=keyword(scale=1e-3),
    ),
    Recipe(
        "NucleusMoEImageTransformer2DModel",
        {
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 4,
            "num_layers": 3,
            "attention_head_dim": 8,
            "num_attention_heads": 6,  # its dense feed-forward network is as wide as a multiple of 128
            "joint_attention_dim": 12,
            "axes_dims_rope": (2, 2, 4),
            "dense_moe_strategy": "leave_first_block_dense",
            "num_experts": 4,
            "moe_intermediate_dim": 16,
            "capacity_factors": [2.0, 2.0, 2.0],
        },
        (1, TOKENS, 16),
        lambda: {
            "encoder_hidden_states": normal(1, TEXT, 12),
            "encoder_hidden_states_mask": torch.ones(1, TEXT, dtype=torch.bool),
            "img_shapes": [(1, SIDE, SIDE)],
        },
        blocks=3,
        call=keyword(scale=1e-3),
    ),
    Recipe(
        "Ideogram4Transformer2DModel",
        {
            "in_channels": 4,
            "num_layers": 2,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "adaln_dim": 16,
            "llm_features_dim": 12,
            "rope_theta": 10000,
            "mrope_section": (2, 1, 1),
        },
        (1, TOKENS, 4),
        ideogram,
        blocks=2,
        call=call_ideogram,
    ),
    Recipe(
        "Krea2Transformer2DModel",
        {
            "in_channels": 4,
            "num_layers": 2,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "intermediate_size": 32,
            "timestep_embed_dim": 8,
            "text_hidden_dim": 12,
            "num_text_layers": 3,
            "text_num_attention_heads": 2,
            "text_num_key_value_heads": 1,
            "text_intermediate_size": 16,
            "num_layerwise_text_blocks": 2,
            "num_refiner_text_blocks": 2,
            "axes_dims_rope": (4, 2, 2),
        },
        (1, TOKENS, 4),
        lambda: {
            "encoder_hidden_states": normal(1, TEXT, 3, 12),
            "position_ids": torch.cat([torch.zeros(TEXT, 3), grid(SIDE, SIDE, columns=3)]),
        },
        blocks=2,
        call=keyword(scale=1e-3),
    ),
)
