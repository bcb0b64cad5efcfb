"""FasterCache: Training-Free Video Diffusion Model Acceleration with High Quality (ICLR 2025, arXiv 2410.19355)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...schedule import COMPUTE, GUIDANCE, REUSE, Schedule, Tree
from ..base.parameter_checks import check_finite, check_not_negative, check_positive, check_share
from ..base.policy import Policy, list_leaf_ids


@dataclass(frozen=True)
class FasterCache(Policy):
    """Computes self-attention every `interval` steps; between, moves its output on by a part of its last change.

    Reused is F + w (F - F'), where F' was computed before F (eq. 5). This is the first half of the method. The second
    makes the unconditional output of guidance from the conditional one, by how they differed when both were computed
    (eq. 9-10), every `guidance` steps. The authors split the difference by frequency and raise the low band early and
    the high one late, by 0.2 (eq. 11); with their weights at 1 the bands add up to the difference itself, which is what
    is reused here. Attention is then reused in the guided calls alone that are run.

    Attributes:
        interval: steps from one computed step to the next, counted from step 0.
        weight: the paper's w, constant here; theirs rises as the generation goes on.
        begin: share of the steps before the first that reuses.
        guidance: steps from one computed unconditional call to the next; 0 computes all. The authors take 5.
    """

    interval: int
    weight: float = 0.5
    begin: float = 0.3
    guidance: int = 0

    name: ClassVar[str] = "fastercache"
    usage: ClassVar[str] = "fastercache:N[,weight,begin,guidance]"
    summary: ClassVar[str] = "self-attention every N steps, moved on by a part of its change between; guidance likewise"
    paper: ClassVar[str] = "arXiv 2410.19355"

    def __post_init__(self) -> None:
        check_positive(self, "interval", self.interval)
        check_finite(self, "weight", self.weight)
        check_share(self, "begin", self.begin)
        check_not_negative(self, "guidance", self.guidance, whole=True)

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Forecast with order 1, with gains that take out how far ahead it is: the weight does not depend on it."""
        if not list_leaf_ids(tree, "attention"):
            raise self.refuse(tree, "self-attention layers", 'try "fora:N" or "steps:0,2,4,..."')
        for root in tree.of_kind("denoiser") if self.guidance else ():
            tree = tree.with_guidance(root.id)
        columns = [tree.index[id] for id in list_leaf_ids(tree, "attention")]
        others = [tree.index[c.id] for c in tree.of_kind(GUIDANCE)]
        orders = np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8)
        gains = np.zeros(orders.shape)
        computed: list[int] = []
        for step in range(steps):
            if step >= self.begin * steps and step and self.guidance and step % self.guidance:
                orders[step, others] = REUSE.order
            if step < self.begin * steps or not step % self.interval:
                computed.append(step)
            elif len(computed) < 2:
                orders[step, columns] = REUSE.order
            else:
                orders[step, columns] = 1
                gains[step, columns] = self.weight * (computed[-1] - computed[-2]) / (step - computed[-1])
        return Schedule(tree, orders, gains)
