"""Parts of diffusers' models, with inputs and ways of cutting them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import TemporalDecoder
from diffusers.models.autoencoders.vae import Decoder, Encoder
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D, SpatioTemporalResBlock, TemporalConvLayer
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from diffusers.models.upsampling import Upsample2D
from torch import nn


@dataclass(frozen=True)
class Part:
    """A module, what it is called with, and how: `sizes` along `axis` of the first argument; `also` cuts other ones."""

    make: Callable[[], tuple[nn.Module, tuple[Any, ...], dict[str, Any]]]
    axis: int
    sizes: tuple[int, ...]
    also: Callable[[int, int, tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]] = (
        lambda low, high, args, kwargs: (args, kwargs)
    )

    def cut(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Arguments of each slice."""
        out, low = [], 0
        for size in self.sizes:
            rest, named = self.also(low, low + size, args[1:], kwargs)
            out.append(((args[0].narrow(self.axis, low, size), *rest), named))
            low += size
        return out


def randomised(module: nn.Module) -> nn.Module:
    """The module with weights of which none is zero."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        value = torch.randn(parameter.shape, generator=generator)
        scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        parameter.data = value * scale + (parameter.ndim == 1)
    return module.eval()


def _resnet():
    return ResnetBlock2D(in_channels=8, out_channels=16, temb_channels=6, groups=4), (_r(2, 8, 9, 5), _r(2, 6)), {}


def _spatio_temporal():
    module = SpatioTemporalResBlock(32, 32, temb_channels=6)
    return module, (_r(5, 32, 7, 3), _r(5, 6)), {"image_only_indicator": torch.zeros(1, 5)}


def _r(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def _frames(low, high, args, kwargs):
    rest = tuple(a[low:high] if isinstance(a, torch.Tensor) else a for a in args)
    named = dict(kwargs)
    if "image_only_indicator" in named:
        named["image_only_indicator"] = named["image_only_indicator"][:, low:high]
    if "num_frames" in named:
        named["num_frames"] = high - low
    return rest, named


_UNET = {
    "in_channels": 3,
    "out_channels": 3,
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "block_out_channels": (8, 16),
}

PARTS = {
    "resnet, rows": Part(_resnet, 2, (4, 3, 2)),
    "resnet, columns": Part(_resnet, 3, (2, 3)),
    "spatio-temporal resnet, rows": Part(_spatio_temporal, 2, (4, 3)),
    "spatio-temporal resnet, frames": Part(_spatio_temporal, 0, (2, 3), _frames),
    "temporal convolutions, frames": Part(
        lambda: (TemporalConvLayer(8, 8, norm_num_groups=4), (_r(6, 8, 3, 3),), {"num_frames": 6}), 0, (4, 2), _frames
    ),
    "temporal convolutions, rows": Part(
        lambda: (TemporalConvLayer(8, 8, norm_num_groups=4), (_r(6, 8, 5, 3),), {"num_frames": 3}), 2, (2, 3)
    ),
    "motion module, rows": Part(
        lambda: (
            AnimateDiffTransformer3D(2, 4, in_channels=8, norm_num_groups=4),
            (_r(6, 8, 5, 3),),
            {"num_frames": 3},
        ),
        2,
        (3, 2),
    ),
    "spatial transformer, rows": Part(
        lambda: (
            Transformer2DModel(2, 4, in_channels=8, norm_num_groups=4, cross_attention_dim=6),
            (_r(2, 8, 5, 3), _r(2, 4, 6)),
            {"return_dict": False},
        ),
        2,
        (3, 2),
    ),
    "spatio-temporal transformer, rows": Part(
        lambda: (
            TransformerSpatioTemporalModel(2, 16, in_channels=32, cross_attention_dim=6),
            (_r(3, 32, 5, 3), _r(3, 1, 6)),
            {"image_only_indicator": torch.zeros(1, 3), "return_dict": False},
        ),
        2,
        (3, 2),
    ),
    "feed-forward, tokens": Part(lambda: (FeedForward(8), (_r(2, 7, 8),), {}), 1, (4, 3)),
    "self-attention, tokens": Part(lambda: (Attention(8, heads=2, dim_head=4), (_r(2, 7, 8),), {}), 1, (4, 3)),
    "cross-attention, tokens": Part(
        lambda: (Attention(8, cross_attention_dim=6, heads=2, dim_head=4), (_r(2, 7, 8), _r(2, 3, 6)), {}), 1, (4, 3)
    ),
    "upsampling, rows": Part(lambda: (Upsample2D(8, use_conv=True), (_r(1, 8, 5, 3),), {}), 2, (2, 3)),
    "downsampling, rows": Part(lambda: (Downsample2D(8, use_conv=True, padding=1), (_r(1, 8, 10, 6),), {}), 2, (4, 6)),
    "downsampling by padding, rows": Part(
        lambda: (Downsample2D(8, use_conv=True, padding=0), (_r(1, 8, 10, 6),), {}), 2, (4, 6)
    ),
    "image decoder, rows": Part(
        lambda: (Decoder(**_UNET, up_block_types=("UpDecoderBlock2D",) * 2), (_r(1, 3, 6, 5),), {}), 2, (3, 2, 1)
    ),
    "image encoder, rows": Part(
        lambda: (
            Encoder(**_UNET, down_block_types=("DownEncoderBlock2D",) * 2, double_z=True),
            (_r(1, 3, 12, 8),),
            {},
        ),
        2,
        (4, 8),
    ),
    "temporal decoder, frames": Part(
        lambda: (
            TemporalDecoder(4, 3, (32, 64), 1),
            (_r(7, 4, 3, 4), torch.zeros(1, 7)),
            {"num_frames": 7},
        ),
        0,
        (3, 2, 2),
        lambda low, high, args, kwargs: ((args[0][:, low:high],), {"num_frames": high - low}),
    ),
    "temporal decoder, rows": Part(
        lambda: (TemporalDecoder(4, 3, (32, 64), 1), (_r(3, 4, 5, 4), torch.zeros(1, 3)), {"num_frames": 3}), 2, (2, 3)
    ),
}
