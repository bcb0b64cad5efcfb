"""U-Nets of every kind."""

from __future__ import annotations

from typing import Any

import torch

from tests.matrix.recipe import Given, Recipe, normal, positional

TEXT = 6
IMAGE = (1, 4, 8, 8)
VIDEO = (1, 4, 2, 8, 8)
COMMON: Given = {"sample_size": 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 2, "norm_num_groups": 4}
SMALL: Given = {**COMMON, "block_out_channels": (8, 16), "cross_attention_dim": 12}
CASCADE = ("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock")


def types(kind: str) -> Given:
    """A level that attends to the prompt, then one that does not; and back."""
    return {
        "down_block_types": (f"CrossAttnDownBlock{kind}", f"DownBlock{kind}"),
        "up_block_types": (f"UpBlock{kind}", f"CrossAttnUpBlock{kind}"),
    }


def text(width: int, /, **more: Any) -> Any:
    """Embeddings of a prompt, and what else is given."""
    return lambda: {"encoder_hidden_states": normal(1, TEXT, width), **more}


def unet(name: str, config: Given, given: Any, blocks: int, skips: int = 6, **more: Any) -> Recipe:
    """Two levels of two layers: a skip connection for the input, for each layer down, for the change of resolution."""
    latents = more.pop("latents", IMAGE)
    return Recipe(name, config, latents, given, blocks, skips, **{"call": positional, "component": "unet", **more})


def of_frames(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Frames come before channels."""
    return module(latents.transpose(1, 2), t, **given, return_dict=False)


def dreamlite(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """One time for each sample, by keyword."""
    return module(latents, timestep=t.expand(1), **given, return_dict=False)


def of_ratio(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Stable Cascade: a share of noise instead of a time."""
    return module(sample=latents, timestep_ratio=t.expand(1) / 1000, **given, return_dict=False)


def of_noise(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Wuerstchen: a share of noise instead of a time."""
    return module(latents, r=t.expand(1) / 1000, **given)


def of_control(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """ControlNet-XS: everything by keyword."""
    return module(sample=latents, timestep=t, **given, return_dict=False)


def unit(module: Any, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """A part of a U-Net by itself."""
    return module(latents, **given, return_dict=False)


RECIPES = (
    unet(
        "UNet2DModel",
        {**COMMON, "block_out_channels": (8, 16), "attention_head_dim": 4}
        | {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")},
        dict,
        blocks=0,
    ),
    unet("UNet2DConditionModel", {**SMALL, **types("2D"), "attention_head_dim": 4}, text(12), blocks=6),
    unet("UNet3DConditionModel", {**SMALL, **types("3D"), "attention_head_dim": 4}, text(12), blocks=13, latents=VIDEO),
    unet(
        "UNetMotionModel",
        {**SMALL, **types("Motion"), "num_attention_heads": 2, "motion_num_attention_heads": 2}
        | {"motion_max_seq_length": 4, "norm_num_groups": 8},
        lambda: {"encoder_hidden_states": normal(2, TEXT, 12)},
        blocks=17,
        latents=VIDEO,
    ),
    unet(
        "UNetSpatioTemporalConditionModel",
        {**types("SpatioTemporal"), "sample_size": 8, "in_channels": 4, "block_out_channels": (32, 64)}
        | {"cross_attention_dim": 12, "num_attention_heads": (2, 4), "addition_time_embed_dim": 4, "num_frames": 2}
        | {"projection_class_embeddings_input_dim": 12},
        text(12, added_time_ids=torch.tensor([[6.0, 127.0, 0.02]])),
        blocks=12,
        latents=VIDEO,
        call=of_frames,
    ),
    unet(
        "I2VGenXLUNet",
        {**SMALL, **types("3D"), "attention_head_dim": 4},
        text(
            12,
            fps=torch.tensor([16]),
            image_latents=normal(1, 4, 2, 8, 8),
            image_embeddings=normal(1, 12),
        ),
        blocks=13,
        latents=VIDEO,
    ),
    unet(
        "Kandinsky3UNet",
        {
            "time_embedding_dim": 16,
            "groups": 4,
            "attention_head_dim": 4,
            "layers_per_block": 2,
            "cross_attention_dim": 12,
        }
        | {"block_out_channels": (8, 16, 16, 16), "encoder_hid_dim": 10},
        text(10, encoder_attention_mask=torch.ones(1, TEXT)),
        blocks=18,
        skips=3,
    ),
    unet(
        "DreamLiteUNetModel",
        {**SMALL, "attention_head_dim": 4, "ff_mult": 2}
        | {"down_block_types": ("DreamLiteCrossAttnNoSelfAttnDownBlock2D", "DreamLiteCrossAttnDownBlock2D")}
        | {"up_block_types": ("DreamLiteCrossAttnUpBlock2D", "DreamLiteUpBlock2D")},
        text(12, encoder_attention_mask=torch.ones(1, TEXT)),
        blocks=8,
        call=dreamlite,
    ),
    unet(
        "StableCascadeUNet",
        {"in_channels": 4, "out_channels": 4, "timestep_ratio_embedding_dim": 8, "conditioning_dim": 12}
        | {"block_out_channels": (8, 16), "num_attention_heads": (-1, 2), "down_num_layers_per_block": (2, 2)}
        | {"up_num_layers_per_block": (2, 2), "clip_text_pooled_in_channels": 12, "clip_seq": 2}
        | {"block_types_per_layer": (CASCADE[:2], CASCADE)},
        lambda: {"clip_text_pooled": normal(1, 1, 12)},
        blocks=20,  # two levels down and up, twice two and twice three each
        skips=0,
        call=of_ratio,
        component="prior",
    ),
    unet(
        "WuerstchenDiffNeXt",
        {"c_in": 4, "c_out": 4, "c_r": 8, "patch_size": 1, "c_cond": 12, "c_hidden": [8, 16], "nhead": [-1, 2]}
        | {"blocks": [2, 2], "level_config": ["CT", "CTA"], "inject_effnet": [False, True], "effnet_embd": 6}
        | {"clip_embd": 12, "dropout": [0.0, 0.0]},
        lambda: {"effnet": normal(1, 6, 2, 2), "clip": normal(1, TEXT, 12)},
        blocks=22,  # the same, and two changes of resolution
        skips=0,
        call=of_noise,
        component="decoder",
        module="diffusers.pipelines.deprecated.wuerstchen.modeling_wuerstchen_diffnext",
    ),
    unet(
        "UNetFlatConditionModel",
        {**SMALL, "attention_head_dim": 4, "sample_size": None, "mid_block_type": "UNetMidBlockFlatCrossAttn"}
        | {"down_block_types": ("CrossAttnDownBlockFlat", "DownBlockFlat")}
        | {"up_block_types": ("UpBlockFlat", "CrossAttnUpBlockFlat")},
        text(12),
        blocks=6,
        latents=(1, 4, 4, 1),
        module="diffusers.pipelines.deprecated.versatile_diffusion.modeling_text_unet",
    ),
    unet(
        "UNetControlNetXSModel",
        {"sample_size": 8, "block_out_channels": (8, 16), "norm_num_groups": 4, "cross_attention_dim": 12}
        | {
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        }
        | {"num_attention_heads": 2, "ctrl_block_out_channels": (4, 8), "ctrl_num_attention_heads": 2}
        | {"ctrl_conditioning_embedding_out_channels": (4, 4), "ctrl_max_norm_num_groups": 4},
        text(12, controlnet_cond=normal(1, 3, 16, 16), conditioning_scale=1.0, apply_control=True),
        blocks=9,
        call=of_control,
    ),
    Recipe(
        "DreamLiteTransformer2DModel",
        {"num_attention_heads": 2, "attention_head_dim": 8, "in_channels": 8, "num_layers": 2, "norm_num_groups": 4}
        | {"cross_attention_dim": 12},
        (1, 8, 4, 4),
        text(12),
        blocks=2,
        call=unit,
    ),
    Recipe(
        "TransformerTemporalModel",
        {"num_attention_heads": 2, "attention_head_dim": 8, "in_channels": 8, "num_layers": 2, "norm_num_groups": 4},
        (2, 8, 4, 4),
        lambda: {"num_frames": 2},
        blocks=2,
        call=unit,
    ),
)
