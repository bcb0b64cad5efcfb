"""First-block cache (C. Cheng, ParaAttention, 2024): a gate after TeaCache (arXiv 2411.19108); diffusers has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base.gate import Gate
from ..base.parameter_checks import check_not_negative
from ..base.rule import Rule


@dataclass(frozen=True)
class FirstBlockCache(Gate):
    """Computes the first block; if what it adds has hardly changed since the last computed step, reuses the rest.

    The change is the mean absolute difference of the first block's residuals, relative to the mean magnitude of the
    older one. Where guidance takes several calls a step, the first decides for all of them, so that the decisions are
    one schedule; diffusers decides anew for each.

    In a U-Net the first block is the first layer of the way down, and the rest what lies below the skip connection that
    leaves after it.

    Attributes:
        threshold: the rest is reused while the change is below it.
    """

    threshold: float

    name: ClassVar[str] = "fbcache"
    usage: ClassVar[str] = "fbcache:THRESHOLD"
    summary: ClassVar[str] = "gate: reuses all blocks but the first while what the first block adds hardly changes"
    paper: ClassVar[str] = "arXiv 2411.19108"
    signal: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        check_not_negative(self, "threshold", self.threshold)

    def rule(self, steps: int) -> Rule:
        """Compare each change with the threshold."""
        return Rule(steps, self.threshold)
