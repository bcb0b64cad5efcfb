"""FasterCache: Training-Free Video Diffusion Model Acceleration with High Quality (ICLR 2025, arXiv 2410.19355)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..schedule import COMPUTE, REUSE, Schedule, Tree
from .base import Policy, finite, leaf_ids, positive, share


@dataclass(frozen=True)
class FasterCache(Policy):
    """Computes self-attention every `interval` steps; between, moves its output on by a part of its last change.

    Reused is F + w (F - F'), where F' was computed before F (eq. 5). This is the first half of the method. The second,
    which makes the unconditional output of guidance from the conditional one by their difference in the frequency
    domain, is not here: a schedule says the same to all calls of a step.

    Attributes:
        interval: steps from one computed step to the next, counted from step 0.
        weight: the paper's w, constant here; theirs rises as the generation goes on.
        begin: share of the steps before the first that reuses.
    """

    interval: int
    weight: float = 0.5
    begin: float = 0.3

    name: ClassVar[str] = "fastercache"
    usage: ClassVar[str] = "fastercache:N[,weight,begin]"
    summary: ClassVar[str] = "self-attention every N steps, moved on by a part of its last change between"
    paper: ClassVar[str] = "arXiv 2410.19355"

    def __post_init__(self) -> None:
        positive(self, "interval", self.interval)
        finite(self, "weight", self.weight)
        share(self, "begin", self.begin)

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Forecasts of order 1, whose gains take out how far ahead they are: the weight does not depend on it."""
        columns = [tree.index[id] for id in leaf_ids(tree, "attention")]
        if not columns:
            raise self.refuse(tree, "self-attention layers", 'try "fora:N" or "steps:0,2,4,..."')
        orders = np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8)
        gains = np.zeros(orders.shape)
        computed: list[int] = []
        for step in range(steps):
            if step < self.begin * steps or not step % self.interval:
                computed.append(step)
            elif len(computed) < 2:
                orders[step, columns] = REUSE.order
            else:
                orders[step, columns] = 1
                gains[step, columns] = self.weight * (computed[-1] - computed[-2]) / (step - computed[-1])
        return Schedule(tree, orders, gains)
