"""Every denoiser class of the installed diffusers, as a tiny instance: does caching reach it?"""

from tests.matrix import (
    audio,
    latent_images,
    packed_videos,
    priors,
    sequence_images,
    token_images,
    unets,
    videos,
    wan_videos,
)

_MODULES = (token_images, latent_images, sequence_images, wan_videos, videos, packed_videos, audio, priors, unets)

RECIPES = {r.name: r for module in _MODULES for r in module.RECIPES}
"""Recipes by class."""

FAMILY_OF = {r.name: module.__name__.rpartition(".")[2] for module in _MODULES for r in module.RECIPES}
"""Family of each class: the file of its recipe."""

KNOWN_WARNINGS = (
    # Block masks of attention are meant to be compiled, which takes longer than it saves here.
    r"flex_attention called without torch\.compile",
    r"_compile flag on create_block_mask",
    # Mochi's rotary positions ask for autocast to float32, which the CPU does not know and does not need.
    r"In CPU autocast, but the target dtype is not supported",
    # What diffusers uses and it, or torch, deprecates.
    r"`FluxPosEmbed` is deprecated",
    r"`scale` is deprecated",
    r"`torch\.jit\.script",
    r"To copy construct from a tensor",
)
"""Patterns of warnings of diffusers and torch that cannot be avoided."""

LEFT_OUT = {
    "MotionAdapter": "not called: it carries the motion modules that UNetMotionModel takes over",
    "MiniMaxMusic3RVQDepthDecoder": "no denoiser: it predicts codes of sound, one after the other, and is told no time",
}
"""Exported model classes without a recipe, and why."""
