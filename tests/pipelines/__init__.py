"""Pipelines of the installed diffusers, as tiny instances: does caching reach them?"""

import importlib
import pkgutil
from types import ModuleType

from tests.pipelines.row import Row


def _families() -> list[ModuleType]:
    """Return the modules beside this one that have rows."""
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("test_")]
    return [m for m in (importlib.import_module(f"{__name__}.{name}") for name in names) if hasattr(m, "ROWS")]


ROWS: tuple[Row, ...] = tuple(row for module in _families() for row in module.ROWS)

FAMILY_OF = {row.name: module.__name__.rpartition(".")[2] for module in _families() for row in module.ROWS}
"""Family of each row: the file that it stands in."""

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
    r"The class .*StableDiffusionInpaintPipelineLegacy.* is deprecated",
    r"Accessing config attribute `num_vector_embeds` directly",
    r"`Transformer2DModelOutput` is deprecated",
    r"`torch\.jit\.script",
    r"`torch\.nn\.utils\.weight_norm` is deprecated",
    r"torch\.meshgrid",
    r"Default grid_sample and affine_grid behavior has changed",
    # No upscaler's autoencoder has the scale of the tiny one's latents.
    r"The configuration file of the vae does not contain `scaling_factor`",
)
"""Patterns of warnings of diffusers, transformers and torch that cannot be avoided."""
