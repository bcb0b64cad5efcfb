"""Units: the parts of a denoiser that one after another take its features, and that may each be run in slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from .discover import Denoiser
from .kinds import find_stacks
from .leaves import find_leaves


@dataclass(frozen=True)
class Unit:
    """A unit, and the parts of it that may be run in slices by themselves where the unit as a whole cannot.

    Attributes:
        path: the module's path in the denoiser.
        module: the module.
        parts: leaves inside it, by path.
    """

    path: str
    module: nn.Module
    parts: tuple[tuple[str, nn.Module], ...]


def find_units(denoiser: Denoiser) -> list[Unit]:
    """Return the units of a denoiser: blocks; of a U-Net residual blocks, transformers, motion modules and samplers."""
    if denoiser.unet is None:
        found = [place for _, blocks in find_stacks(denoiser.module) for place in blocks]
    else:
        found = []
        for stage in denoiser.unet.stages:
            found += [unit for layer in stage.layers for unit in layer]
            found += stage.samplers
    return [Unit(path, module, tuple(_parts(path, module))) for path, module in found]


def _parts(path: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    inner = [place for _, blocks in find_stacks(module, f"{path}.") for place in blocks]
    for at, block in inner or [(path, module)]:
        for leaf in find_leaves(block):
            yield f"{at}.{leaf.path}", leaf.module
