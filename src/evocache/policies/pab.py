"""PAB: Real-Time Video Generation with Pyramid Attention Broadcast (ICLR 2025, arXiv 2408.12588)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import PolicyError
from ..schedule import COMPUTE, REUSE, Schedule, Tree
from .base import Policy, leaf_ids, positive, share


@dataclass(frozen=True)
class PyramidAttentionBroadcast(Policy):
    """Computes each type of attention at intervals of its own in the middle of the generation, and at its ends always.

    Self-attention differs more from step to step than cross-attention, and so has the shorter interval. Spatial and
    temporal self-attention, which the authors tell apart, have one interval here. Intervals are counted from step 0.

    Attributes:
        interval: steps from one computed self-attention to the next.
        cross: the same for cross-attention.
        begin: share of the steps before the window in which attention is reused.
        end: share of the steps at which the window ends.
    """

    interval: int
    cross: int = 6
    begin: float = 0.15
    end: float = 0.9

    name: ClassVar[str] = "pab"
    usage: ClassVar[str] = "pab:N[,cross,begin,end]"
    summary: ClassVar[str] = "self-attention and cross-attention at intervals of their own, within a window"
    paper: ClassVar[str] = "arXiv 2408.12588"

    def __post_init__(self) -> None:
        positive(self, "interval", self.interval)
        positive(self, "cross", self.cross)
        share(self, "begin", self.begin)
        share(self, "end", self.end)
        if self.begin > self.end:
            raise PolicyError(
                f"a window {self.begin:g} to {self.end:g}", "one that begins before it ends", f"write {self.usage}"
            )

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse each type of attention within the window but at its interval."""
        intervals = {"attention": self.interval, "cross_attention": self.cross}
        columns = {kind: [tree.index[id] for id in leaf_ids(tree, kind)] for kind in intervals}
        if not any(columns.values()):
            raise self.refuse(tree, "attention layers", 'try "steps:0,2,4,..."')
        orders = np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8)
        for step in range(1, steps):
            if self.begin * steps <= step < self.end * steps:
                for kind, interval in intervals.items():
                    orders[step, columns[kind]] = REUSE.order if step % interval else COMPUTE.order
        return Schedule(tree, orders)
