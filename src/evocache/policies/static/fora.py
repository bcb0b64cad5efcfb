"""FORA: Fast-Forward Caching in Diffusion Transformer Acceleration (Selvaraju et al., arXiv 2407.01425)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...schedule import Schedule, Tree, uniform
from ..base.parameter_checks import check_positive
from ..base.policy import Policy, list_leaf_ids, list_steps


@dataclass(frozen=True)
class Fora(Policy):
    """Computes attention and feed-forward layers every `interval` steps and reuses their outputs between.

    On a U-Net without attention it acts on the residual blocks.

    Attributes:
        interval: steps from one computed step to the next; the paper's N.
    """

    interval: int

    name: ClassVar[str] = "fora"
    usage: ClassVar[str] = "fora:N"
    summary: ClassVar[str] = "attention and feed-forward layers every N steps"
    paper: ClassVar[str] = "arXiv 2407.01425"

    def __post_init__(self) -> None:
        check_positive(self, "interval", self.interval)

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse all attention and feed-forward leaves except at every `interval`-th step."""
        columns = list_leaf_ids(tree, "attention", "cross_attention", "feed_forward", "projection")
        columns = columns or list_leaf_ids(tree, "resnet")
        if not columns:
            raise self.refuse(tree, "attention, feed-forward or residual blocks", 'try "steps:0,2,4,..."')
        return uniform(tree, steps, columns, list_steps(steps, self.interval))
