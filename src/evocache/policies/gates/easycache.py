"""EasyCache: Less is Enough, Training-Free Video Diffusion Acceleration (Zhou et al., arXiv 2507.02860)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base.gate import Gate
from ..base.parameter_checks import check_not_negative
from ..base.rule import Rule


@dataclass(frozen=True)
class EasyCache(Gate):
    """Reuses what all blocks add until the change of their output, as their input lets expect, adds up to a threshold.

    Between the last two computed steps the output moved so many times as far as the input did; at this rate the change
    of the input since the step before is a change of the output, relative to the last one computed. These are added
    up, and at the threshold the step is computed. The steps of the warm-up and the last step are computed.

    Input and output are those of the stack of blocks, in a U-Net of what lies below its first skip connection, of which
    the output itself is reused. The authors take the latents that the denoiser is given and what it makes of them,
    which are smaller and cost them the embedding and the final layer as well. Where guidance takes several calls a
    step, the first decides.

    Attributes:
        threshold: the paper's tau.
        warmup: steps at the beginning that are computed; the paper's R. At least two are, whatever it says: before
            there is no rate.
    """

    threshold: float
    warmup: int = 2

    name: ClassVar[str] = "easycache"
    usage: ClassVar[str] = "easycache:THRESHOLD[,warmup]"
    summary: ClassVar[str] = "gate: reuses all blocks until expected changes of their output add up to the threshold"
    paper: ClassVar[str] = "arXiv 2507.02860"
    signal: ClassVar[str] = "transformed"

    def __post_init__(self) -> None:
        check_not_negative(self, "threshold", self.threshold)
        check_not_negative(self, "warmup", self.warmup, whole=True)

    @property
    def head(self) -> int:
        """All blocks are governed."""
        return 0

    def rule(self, steps: int) -> Rule:
        """Add the expected changes up, after the warm-up."""
        return Rule(steps, self.threshold, self.warmup, last=1, accumulates=True)
