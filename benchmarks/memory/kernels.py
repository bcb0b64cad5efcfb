"""What kernels take and give back within themselves, on a GPU: what no counting of tensors sees.

Each operation of the pipelines' is run once on inputs of their shapes; what the allocator held at most, less what was
there before and what the operation returned, is its workspace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

Make = Callable[..., torch.Tensor]


def convolution(channels: int, out: int, kernel: tuple[int, ...], *shape: int, last: bool = False) -> Any:
    """A convolution of (batch, channels, *positions); `shape` is the batch, then the positions."""

    def make(random: Make) -> tuple[Callable[[], torch.Tensor], list[torch.Tensor]]:
        x, w = random(shape[0], channels, *shape[1:]), random(out, channels, *kernel)
        if last:
            form = torch.channels_last if len(kernel) == 2 else torch.channels_last_3d
            x, w = x.to(memory_format=form), w.to(memory_format=form)
        call = F.conv2d if len(kernel) == 2 else F.conv3d
        return lambda: call(x, w, padding=tuple(k // 2 for k in kernel)), [x, w]

    return make


def attention(batch: int, heads: int, queries: int, keys: int, width: int) -> Any:
    """Scaled dot-product attention of (batch, heads, positions, width)."""

    def make(random: Make) -> tuple[Callable[[], torch.Tensor], list[torch.Tensor]]:
        q, k, v = (random(batch, n, heads, width).transpose(1, 2) for n in (queries, keys, keys))
        return lambda: F.scaled_dot_product_attention(q, k, v), [q, k, v]

    return make


def one(function: Callable[[torch.Tensor], torch.Tensor], *shape: int) -> Any:
    """A function of one tensor."""

    def make(random: Make) -> tuple[Callable[[], torch.Tensor], list[torch.Tensor]]:
        x = random(*shape)
        return lambda: function(x), [x]

    return make


def linear(rows: int, width: int, out: int) -> Any:
    """A linear layer."""

    def make(random: Make) -> tuple[Callable[[], torch.Tensor], list[torch.Tensor]]:
        x, w = random(rows, width), random(out, width)
        return lambda: F.linear(x, w), [x, w]

    return make


KERNELS: dict[str, Any] = {
    "linear 65536x320 to 2560": linear(65536, 320, 2560),  # first: what it leaves behind is the library's own
    "conv 320 to 320, 3x3, 16x64x64": convolution(320, 320, (3, 3), 16, 64, 64),
    "conv 960 to 320, 3x3, 16x64x64": convolution(960, 320, (3, 3), 16, 64, 64),
    "conv 960 to 320, 1x1, 16x64x64": convolution(960, 320, (1, 1), 16, 64, 64),
    "conv 1280 to 1280, 3x3, 16x8x8": convolution(1280, 1280, (3, 3), 16, 8, 8),
    "conv 320 to 320, 3x3, 16x64x64, channels last": convolution(320, 320, (3, 3), 16, 64, 64, last=True),
    "conv 256 to 128, 3x3, 1x512x512": convolution(256, 128, (3, 3), 1, 512, 512),
    "conv 256 to 128, 3x3, 4x512x512": convolution(256, 128, (3, 3), 4, 512, 512),
    "conv 256 to 256, 3x3, 16x512x512": convolution(256, 256, (3, 3), 16, 512, 512),
    "conv 128 to 3, 3x3, 16x512x512": convolution(128, 3, (3, 3), 16, 512, 512),
    "conv 4 to 320, 3x3, 16x64x64": convolution(4, 320, (3, 3), 16, 64, 64),
    "conv 320 to 320, 3x3, 50x72x128": convolution(320, 320, (3, 3), 50, 72, 128),
    "conv 960 to 320, 3x3, 50x72x128": convolution(960, 320, (3, 3), 50, 72, 128),
    "conv 320 to 320, 3x1x1, 2x25x72x128": convolution(320, 320, (3, 1, 1), 2, 25, 72, 128),
    "conv 128 to 128, 3x1x1, 1x8x576x1024": convolution(128, 128, (3, 1, 1), 1, 8, 576, 1024),
    "conv 256 to 128, 3x3, 8x576x1024": convolution(256, 128, (3, 3), 8, 576, 1024),
    "conv 96 to 96, 3x3x3, 1x6x480x832": convolution(96, 96, (3, 3, 3), 1, 6, 480, 832),
    "conv 128 to 128, 3x3x3, 1x10x480x720": convolution(128, 128, (3, 3, 3), 1, 10, 480, 720),
    "attention 16x8x4096x4096x40": attention(16, 8, 4096, 4096, 40),
    "attention 16x8x4096x77x40": attention(16, 8, 4096, 77, 40),
    "attention 4096x8x16x16x40": attention(4096, 8, 16, 16, 40),
    "attention 16x8x64x64x160": attention(16, 8, 64, 64, 160),
    "attention 50x5x9216x9216x64": attention(50, 5, 9216, 9216, 64),
    "attention 18432x5x25x25x64": attention(18432, 5, 25, 25, 64),
    "attention 16x1x4096x4096x512": attention(16, 1, 4096, 4096, 512),
    "attention 1x12x32760x32760x128": attention(1, 12, 32760, 32760, 128),
    "group norm 16x320x64x64": one(lambda x: F.group_norm(x, 32), 16, 320, 64, 64),
    "group norm 2x320x25x72x128": one(lambda x: F.group_norm(x, 32), 2, 320, 25, 72, 128),
    "layer norm 65536x320": one(lambda x: F.layer_norm(x, (320,)), 65536, 320),
    "silu 16x320x64x64": one(F.silu, 16, 320, 64, 64),
    "nearest 16x256x256x256": one(lambda x: F.interpolate(x, scale_factor=2.0), 16, 256, 256, 256),
}
"""Operations of AnimateDiff's, SVD's, Wan's and CogVideoX's, by what they are."""


def workspaces(device: torch.device, dtype: torch.dtype) -> dict[str, dict[str, int | str]]:
    """Bytes of each operation's inputs, output and workspace; what stays after the first is `kept`."""
    found: dict[str, dict[str, int | str]] = {}
    with torch.no_grad():
        for name, make in KERNELS.items():
            try:
                found[name] = _workspace(make, device, dtype)
            except Exception as error:
                found[name] = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
            torch.cuda.empty_cache()
    return found


def _workspace(make: Any, device: torch.device, dtype: torch.dtype) -> dict[str, int | str]:
    begun = torch.cuda.memory_allocated(device)
    call, given = make(lambda *size: torch.randn(*size, device=device, dtype=dtype))
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    out = call()
    torch.cuda.synchronize(device)
    peak, after = torch.cuda.max_memory_allocated(device), torch.cuda.memory_allocated(device)
    size = out.untyped_storage().nbytes()
    inputs = sum(t.untyped_storage().nbytes() for t in given)
    del out, call, given
    kept = torch.cuda.memory_allocated(device) - begun
    return {"inputs": inputs, "output": size, "workspace": peak - before - size, "kept": kept, "after": after - before}
