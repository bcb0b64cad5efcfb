"""Pipelines of the installed diffusers, as tiny instances: does caching reach them?"""

from tests.pipelines import (
    audio,
    flux,
    kandinsky5,
    ledits,
    long_videos,
    pixels,
    priors,
    qwen_images,
    sequence_images,
    shown_videos,
    stable_diffusion,
    stable_diffusion_3,
    stable_diffusion_xl,
    token_images,
    told_images,
    unet_videos,
    videos,
    z_images,
)
from tests.pipelines.row import Row

_MODULES = (stable_diffusion, stable_diffusion_xl, stable_diffusion_3, flux, sequence_images, videos, unet_videos)
_MODULES += (long_videos, audio, priors, pixels, token_images, told_images)
_MODULES += (qwen_images, z_images, kandinsky5, ledits, shown_videos)

ROWS: tuple[Row, ...] = tuple(row for module in _MODULES for row in module.ROWS)

KNOWN_WARNINGS = (
    # diffusers' solvers and processors treat tensors as arrays in ways that NumPy 2 deprecates.
    r"__array__ implementation doesn't accept a copy keyword",
    r"__array_wrap__ must accept context",
    # Mochi's rotary positions ask for autocast to float32, which the CPU does not know and does not need.
    r"In CPU autocast, but the target dtype is not supported",
    # Block masks of attention are meant to be compiled, which takes longer than it saves here.
    r"flex_attention called without torch\.compile",
    r"_compile flag on create_block_mask",
    # What diffusers and transformers use and they, or torch, deprecate.
    r"`callback(_steps)?` is deprecated",
    r"`FluxPosEmbed` is deprecated",
    r"`LoraLoaderMixin` is deprecated",
    r"The preprocess method is deprecated",
    r"The decode_latents method is deprecated",
    r"`torch\.jit\.script",
    r"`torch\.nn\.utils\.weight_norm` is deprecated",
    r"torch\.meshgrid",
    r"Default grid_sample and affine_grid behavior has changed",
    # No upscaler's autoencoder has the scale of the tiny one's latents.
    r"The configuration file of the vae does not contain `scaling_factor`",
)
"""Patterns of warnings of diffusers, transformers and torch that cannot be avoided."""
