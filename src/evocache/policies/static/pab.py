"""PAB: Real-Time Video Generation with Pyramid Attention Broadcast (ICLR 2025, arXiv 2408.12588)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import PolicyError
from ...schedule import COMPUTE, REUSE, Schedule, Tree
from ..base.parameter_checks import check_not_negative, check_positive, check_share
from ..base.policy import Policy, list_leaf_ids


@dataclass(frozen=True)
class PyramidAttentionBroadcast(Policy):
    """Computes each type of attention at intervals of its own in the middle of the generation, and at its ends always.

    Spatial self-attention differs most from step to step, temporal self-attention less, cross-attention least, so that
    their intervals are ever longer; for Latte the authors take 2, 3 and 5. They are counted from step 0. Temporal is
    what lies in a motion module of a U-Net, or in blocks that say so; attention over space and time at once is spatial.

    Attributes:
        interval: steps from one computed self-attention to the next.
        cross: the same for cross-attention.
        begin: share of the steps before the window in which attention is reused.
        end: share of the steps at which the window ends.
        temporal: the interval of temporal self-attention, where a model has it apart; 0 for that of all self-attention.
    """

    interval: int
    cross: int = 6
    begin: float = 0.15
    end: float = 0.9
    temporal: int = 0

    name: ClassVar[str] = "pab"
    usage: ClassVar[str] = "pab:N[,cross,begin,end,temporal]"
    summary: ClassVar[str] = "self-, temporal and cross-attention at intervals of their own, within a window"
    paper: ClassVar[str] = "arXiv 2408.12588"

    def __post_init__(self) -> None:
        check_positive(self, "interval", self.interval)
        check_positive(self, "cross", self.cross)
        check_not_negative(self, "temporal", self.temporal, whole=True)
        check_share(self, "begin", self.begin)
        check_share(self, "end", self.end)
        if self.begin > self.end:
            raise PolicyError(
                f"a window {self.begin:g} to {self.end:g}", "one that begins before it ends", f"write {self.usage}"
            )

    @property
    def spec(self) -> str:
        """The text that `parse` turns into this policy; without an interval of temporal attention that is no other."""
        return super().spec if self.temporal else super().spec.removesuffix(",0")

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse each type of attention within the window but at its interval."""
        intervals = {"spatial": self.interval, "temporal": self.temporal or self.interval, "cross": self.cross}
        columns: dict[str, list[int]] = {kind: [] for kind in intervals}
        for id in list_leaf_ids(tree, "attention", "cross_attention"):
            columns[_type(tree, tree.index[id])].append(tree.index[id])
        if not any(columns.values()):
            raise self.refuse(tree, "attention layers", 'try "steps:0,2,4,..."')
        if self.temporal and not columns["temporal"]:
            raise self.refuse(tree, "temporal attention apart from spatial", f"leave out temporal {self.temporal}")
        orders = np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8)
        for step in range(1, steps):
            if self.begin * steps <= step < self.end * steps:
                for kind, interval in intervals.items():
                    orders[step, columns[kind]] = REUSE.order if step % interval else COMPUTE.order
        return Schedule(tree, orders)


def _type(tree: Tree, leaf: int) -> str:
    """The authors' type of an attention layer: a motion module around it tells, or else the name of its stack."""
    if tree.components[leaf].kind == "cross_attention":
        return "cross"
    around, above = [], leaf
    while (above := int(tree.parents[above])) >= 0:
        around.append(tree.components[above].kind)
    return "temporal" if "motion" in around or "temporal" in tree.components[leaf].id else "spatial"
