"""Random LoRAs for tiny pipelines, as files that diffusers reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

TARGETS = {"unet": ("to_q", "to_v"), "transformer": ("to_q", "to_v"), "text_encoder": ("q_proj", "v_proj")}
"""Layers that LoRAs stand on, by component."""


def save_lora(build: Any, path: Path, *, seed: int, parts: tuple[str, ...], scale: float = 0.5) -> Path:
    """Write a random LoRA for some components of a tiny pipeline.

    Args:
        build: makes the pipeline.
        path: of the file.
        seed: of the weights.
        parts: names of the components.
        scale: standard deviation of the weights.
    """
    pipe, draw = build(), torch.Generator().manual_seed(seed)
    weights = {}
    for part in parts:
        component = getattr(pipe, part)
        config = LoraConfig(r=2, lora_alpha=2, target_modules=list(TARGETS[part]), init_lora_weights=False)
        component.add_adapter(config, "made")
        found = get_peft_model_state_dict(component, adapter_name="made")
        weights[part] = {name: torch.randn(w.shape, generator=draw) * scale for name, w in found.items()}
        if part.startswith("text"):
            weights[part] = convert_state_dict_to_diffusers(weights[part])
    type(pipe).save_lora_weights(
        path.parent, weight_name=path.name, **{f"{part}_lora_layers": found for part, found in weights.items()}
    )
    return path
