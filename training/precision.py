"""What the device at hand multiplies fastest: bfloat16 where it has instructions for it, else float32."""

from __future__ import annotations

import os

import torch

#: bfloat16 without such instructions is more than ten times slower than float32.
CPU_HAS_BF16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def fast(device: torch.device) -> torch.dtype:
    """The type of matrix products there; every GPU that trains has bfloat16."""
    return torch.bfloat16 if device.type == "cuda" or CPU_HAS_BF16 else torch.float32


def autocast(device: torch.device | str = "cpu") -> torch.autocast:
    """Matrix products in bfloat16, if that is faster on the device."""
    device = torch.device(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=fast(device) is torch.bfloat16)


def hardware(device: torch.device | str = "cpu") -> str:
    """The machine, for the figures of a training."""
    if torch.device(device).type == "cuda":
        return f"one {torch.cuda.get_device_name(device)}"
    with_bf16 = "with" if CPU_HAS_BF16 else "without"
    return f"{os.cpu_count()} CPU cores {with_bf16} bf16 instructions, shared with other work"
