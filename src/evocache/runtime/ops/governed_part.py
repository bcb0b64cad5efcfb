"""What a gate governs and watches in a denoiser, as modules: of a stack of blocks, or of a U-Net."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ...model import Denoiser
from ...model.unet import UNet, find_unit_kind
from ...policies.base.gate import Governed
from ...schedule import deep_depth, span_range

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Part:
    """The modules that a gate deals with in a denoiser.

    Attributes:
        governed: what is computed or passed by; the first of them to be called has the gate decide.
        entry: what the main stream enters first.
        layer: whose input the timestep has modulated; None if there is no such layer.
        exits: in a U-Net the modules of which the last to be called returns what leaves the governed part; else none,
            and it is left by the last of the governed ones.
    """

    governed: tuple[nn.Module, ...]
    entry: nn.Module
    layer: nn.Module | None
    exits: tuple[nn.Module, ...] = ()

    @property
    def watched(self) -> tuple[nn.Module, ...]:
        """What the gate looks at."""
        return (self.entry,) if self.layer is None else (self.entry, self.layer)


def part_of(denoiser: Denoiser, governed: Governed) -> Part:
    """Return the modules of what is governed in a denoiser."""
    if governed.entry is None:
        assert denoiser.unet is not None
        deep = denoiser.unet.deeps[deep_depth(governed.part)]
        return Part(deep.skipped, denoiser.unet.down[0].module, modulated(denoiser.unet), deep.exits)
    first, last = span_range(governed.part)
    layer = None if governed.leaf is None else denoiser.modules[governed.leaf]
    return Part(denoiser.blocks[first:last], denoiser.modules[governed.entry], layer)


def modulated(unet: UNet) -> nn.Module | None:
    """Return the layer of a U-Net whose input is the first that the timestep embedding has modulated.

    None if there is none.

    A residual block adds the embedding to, or scales by it, what its first convolution gave; its second is given that,
    normalised and activated.
    """
    for path, unit in unet.down[0].layers[0] if unet.down[0].layers else ():
        if find_unit_kind(path, unit) == "resnet":
            return next(iter([m for m in unit.modules() if isinstance(m, _CONVOLUTIONS)][1:]), None)
    return None
