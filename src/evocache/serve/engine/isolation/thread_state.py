"""What torch keeps for each thread and computing depends on: calls that differ in it are not computed together."""

from __future__ import annotations

from typing import Any

import torch


def thread_state() -> object:
    """Return what this thread computes by: gradients, autocast, device, stream, attention kernels and threads."""
    found: list[object] = [
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_device(),
        torch.get_num_threads(),
        *((kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda")),
    ]
    cuda: Any = torch.backends.cuda
    found += [cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.math_sdp_enabled()]
    devices: Any = torch.cuda
    if devices.is_initialized():
        found += [cuda.cudnn_sdp_enabled(), devices.current_device(), devices.current_stream().stream_id]
    return tuple(found)
