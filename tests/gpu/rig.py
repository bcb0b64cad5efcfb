"""Pipelines on the device that is tested, and what its allocator says of them."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLWan,
    PixArtTransformer2DModel,
    UNet3DConditionModel,
    WanTransformer3DModel,
)
from torch import nn

from evocache.model import Model, discover
from evocache.runtime.estimate.measure import describe_stages, measure
from evocache.runtime.estimate.residency import resident
from tests.tiny import FAMILIES, Tiny
from tests.tiny.base import seeded


def device_of_tests() -> torch.device:
    """The GPU, or the CPU where that is asked for."""
    return torch.device("cpu" if os.environ.get("EVOCACHE_TEST_DEVICE") == "cpu" else "cuda")


def _vae(widths: tuple[int, ...]) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
    )


@seeded
def large_pixart() -> Any:
    """An image pipeline of transformer blocks, 256 wide."""
    pipe = FAMILIES["pixart"].build()
    transformer = PixArtTransformer2DModel(
        sample_size=64,
        num_layers=4,
        num_attention_heads=4,
        attention_head_dim=64,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=256,
        caption_channels=32,
        use_additional_conditions=False,
    )
    return type(pipe)(**{**pipe.components, "transformer": transformer, "vae": _vae((32, 32, 64, 64))})


@seeded
def large_unet() -> Any:
    """A video pipeline with a U-Net, 64 and 128 wide."""
    pipe = FAMILIES["text_to_video_sd"].build()
    unet = UNet3DConditionModel(
        sample_size=32,
        block_out_channels=(64, 128),
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=32,
        norm_num_groups=32,
    )
    return type(pipe)(**{**pipe.components, "unet": unet, "vae": _vae((32, 32, 64, 64))})


@seeded
def large_wan() -> Any:
    """A video pipeline of transformer blocks, 256 wide."""
    pipe = FAMILIES["wan"].build()
    transformer = WanTransformer3DModel(
        num_attention_heads=4,
        attention_head_dim=64,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=64,
        ffn_dim=1024,
        num_layers=4,
        rope_max_seq_len=64,
    )
    vae = AutoencoderKLWan(base_dim=16, z_dim=16, dim_mult=[1, 1, 2, 2], num_res_blocks=1)
    return type(pipe)(**{**pipe.components, "transformer": transformer, "vae": vae, "transformer_2": None})


LARGE: dict[str, tuple[str, Callable[[], Any], dict[str, int], dict[str, int]]] = {
    "large pixart": ("pixart", large_pixart, {"height": 512, "width": 512}, {"height": 64, "width": 64}),
    "large unet": ("text_to_video_sd", large_unet, {"height": 256, "width": 256, "num_frames": 16}, {"num_frames": 4}),
    "large wan": (
        "wan",
        large_wan,
        {"height": 256, "width": 256, "num_frames": 17},
        {"height": 64, "width": 64},
    ),
}
"""Pipelines beside whose tensors 512 bytes are nothing: family, how it is built, sizes of a call on a GPU and a CPU."""


@dataclass
class Rig:
    """A pipeline on the device that is tested."""

    name: str
    tiny: Tiny
    pipe: Any
    size: dict[str, Any]

    @cached_property
    def model(self) -> Model:
        """Its denoisers."""
        return discover(self.pipe)

    @cached_property
    def reference(self) -> np.ndarray:
        """What it makes as it is."""
        return self.call()

    def call(self, **changes: Any) -> np.ndarray:
        """Its output."""
        return self.tiny.call(self.pipe, **{**self.size, **changes})

    @property
    def given(self) -> dict[str, Any]:
        """What its call gives to the pipeline."""
        return given(self.tiny, **self.size)

    def off(self, output: np.ndarray, whole: np.ndarray) -> float:
        """The largest difference between outputs, as a share of the largest value, or of one."""
        assert np.isfinite(whole).all()
        return float(np.abs(output - whole).max()) / max(float(np.abs(whole).max()), 1.0)


def rig(name: str, dtype: torch.dtype = torch.float32) -> Rig:
    """A family of `tests/tiny`, or one of `LARGE`, on the device."""
    device = device_of_tests()
    family, build, size, small = LARGE.get(name, (name, None, {}, {}))
    pipe = (build or FAMILIES[family].build)()
    pipe = pipe.to(device) if dtype is torch.float32 else pipe.to(device, dtype)
    return Rig(name, FAMILIES[family], pipe, size if device.type == "cuda" else small)


def given(tiny: Tiny, **changes: Any) -> dict[str, Any]:
    """What a family's call gives to its pipeline."""
    seen: dict[str, Any] = {}

    class Spy:
        def __call__(self, **kwargs: Any) -> Any:
            seen.update(kwargs)
            return [np.zeros(1)]

    tiny.call(Spy(), **changes)
    return seen


def alive(device: torch.device) -> int:
    """Bytes of this process's tensors on a GPU, after all that is garbage was collected."""
    gc.collect()
    torch.cuda.synchronize(device)
    return torch.cuda.memory_allocated(device)


def weighed(one: Rig, call: Callable[[], Any]) -> tuple[Any, int, dict[str, int]]:
    """What a call gives, the most bytes that it held, and that by stage.

    On a GPU it is what its allocator says, less what was there and is not the pipeline's; elsewhere it is counted.
    """
    device = torch.device(one.pipe._execution_device)
    if device.type != "cuda":
        out: list[Any] = []
        held = {s: h.bytes for s, h in measure(one.pipe, one.model, lambda: out.append(call())).items()}
        return out[0], max(held.values()), held
    foreign = alive(device) - resident(one.pipe, device)
    stages: dict[str, int] = {}
    order = ["encode"]

    def turn(stage: str) -> None:
        if stage != order[-1]:
            close()
            order.append(stage)

    def close() -> None:
        most = torch.cuda.max_memory_allocated(device) - foreign
        stages[order[-1]] = max(stages.get(order[-1], 0), most)
        torch.cuda.reset_peak_memory_stats(device)

    torch.cuda.reset_peak_memory_stats(device)
    with describe_stages(one.pipe, one.model, turn):
        found = call()
    close()
    return found, max(stages.values()), stages


def workspace(one: Rig) -> int:
    """Bytes that kernels take within themselves, and the allocator wastes, in a call of the pipeline as it is.

    It is what the allocator says beyond what is counted tensor by tensor, which is what estimates promise.
    """
    one.call()
    _, most, _ = weighed(one, one.call)
    counted = max(h.bytes for h in measure(one.pipe, one.model, one.call).values())
    return max(0, most - counted)


@contextmanager
def nothing_left(device: torch.device) -> Iterator[None]:
    """Within the context a GPU comes to hold nothing that stays; elsewhere nothing is looked at."""
    before = alive(device) if device.type == "cuda" else 0
    yield
    if device.type == "cuda":
        after = alive(device)
        assert after <= before, f"{after - before} bytes more"


def finite(module: nn.Module) -> bool:
    """Whether all weights are numbers."""
    return all(bool(torch.isfinite(p).all()) for p in module.parameters())
