"""T-GATE: Cross-Attention Makes Inference Cumbersome in Text-to-Image Diffusion Models (arXiv 2404.02747)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...schedule import Schedule, Tree, uniform
from ..base.parameter_checks import check_positive
from ..base.policy import Policy, list_leaf_ids


@dataclass(frozen=True)
class TGate(Policy):
    """Computes cross-attention during the first `gate` steps and freezes it from then on.

    Attributes:
        gate: steps that compute it; the paper's m.
    """

    gate: int

    name: ClassVar[str] = "tgate"
    usage: ClassVar[str] = "tgate:M"
    summary: ClassVar[str] = "freeze cross-attention after the first M steps"
    paper: ClassVar[str] = "arXiv 2404.02747"

    def __post_init__(self) -> None:
        check_positive(self, "gate", self.gate)

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse cross-attention from step `gate` on."""
        columns = list_leaf_ids(tree, "cross_attention")
        if not columns:
            raise self.refuse(tree, "cross-attention layers", 'use "fora:N" for joint attention')
        return uniform(tree, steps, columns, range(min(self.gate, steps)))
