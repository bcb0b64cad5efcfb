"""TeaCache: Timestep Embedding Tells, It's Time to Cache for Video Diffusion Model (CVPR 2025, arXiv 2411.19108)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base.gate import Gate
from ..base.parameter_checks import check_finite, check_not_negative
from ..base.rule import Rule


@dataclass(frozen=True)
class TeaCache(Gate):
    """Reuses blocks until the input that the timestep embedding modulates has changed by so much, all in all.

    The relative L1 change of the modulated input from step to step (eq. 4) goes through a polynomial that was fitted
    to the model (eq. 7) and is added up; at the threshold the step is computed and the sum begins anew (eq. 6). The
    first and the last step are computed, as the authors do.

    The modulated input is what the first attention layer of the first block is given. So that it is exactly that on
    any model, the first block is always computed, and the others are reused; the authors, who write the modulation out
    for each model, reuse the first block as well. Where guidance takes several calls a step, the first decides.

    In a U-Net it is what the second convolution of the first residual block is given: the block adds the timestep
    embedding to what its first convolution gave. The first layer is computed, and what lies below it reused. The
    polynomials that the authors fitted are of other models.

    Attributes:
        threshold: the paper's delta.
        coefficients: of the polynomial, highest power first; none for the identity.
    """

    threshold: float
    coefficients: tuple[float, ...] = ()

    name: ClassVar[str] = "teacache"
    usage: ClassVar[str] = "teacache:THRESHOLD[,coefficients,...]"
    summary: ClassVar[str] = (
        "gate: reuses all blocks but the first until changes of the modulated input add up to the threshold"
    )
    paper: ClassVar[str] = "arXiv 2411.19108"
    signal: ClassVar[str] = "modulated"

    def __post_init__(self) -> None:
        check_not_negative(self, "threshold", self.threshold)
        check_finite(self, "coefficient", *self.coefficients)

    def rule(self, steps: int) -> Rule:
        """Add the changes up."""
        return Rule(steps, self.threshold, last=1, accumulates=True, scale=self.coefficients)
