"""What the processor at hand multiplies fastest: bfloat16 where it has instructions for it, else float32."""

from __future__ import annotations

import os

import torch

#: bfloat16 without such instructions is more than ten times slower than float32.
HAS_BF16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()

FAST = torch.bfloat16 if HAS_BF16 else torch.float32


def autocast() -> torch.autocast:
    """Matrix products in bfloat16, if that is faster here."""
    return torch.autocast("cpu", torch.bfloat16, enabled=HAS_BF16)


def hardware() -> str:
    """The machine, for the figures of a training."""
    return f"{os.cpu_count()} CPU cores {'with' if HAS_BF16 else 'without'} bf16 instructions, shared with other work"
