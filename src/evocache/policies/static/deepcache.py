"""DeepCache: Accelerating Diffusion Models for Free (Ma et al., CVPR 2024, arXiv 2312.00858)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import PolicyError
from ...schedule import Schedule, Tree, deep_depth, uniform
from ..base.parameter_checks import check_not_negative, check_positive
from ..base.policy import Policy, list_steps


@dataclass(frozen=True)
class DeepCache(Policy):
    """Computes the U-Net below skip connection `branch` every `interval` steps, and only the part above it between.

    Branch 0 is the shallowest: between, only the last layer of the way up runs. With a power above 1 as many steps are
    computed, but more densely around a step in the middle, where features change most (the paper's non-uniform 1:N,
    eq. 8-9).

    Attributes:
        interval: the paper's N.
        branch: number of the skip connection.
        center: the step around which computed steps are dense; the paper's c.
        power: how dense they are there; the paper's p. 1 spreads them evenly.
    """

    interval: int
    branch: int = 0
    center: int = 0
    power: float = 1.0

    name: ClassVar[str] = "deepcache"
    usage: ClassVar[str] = "deepcache:N[,branch,center,power]"
    summary: ClassVar[str] = "the U-Net below a skip connection every N steps, or more densely around one of them"
    paper: ClassVar[str] = "arXiv 2312.00858"

    def __post_init__(self) -> None:
        check_positive(self, "interval", self.interval)
        check_not_negative(self, "branch", self.branch, whole=True)
        check_not_negative(self, "center", self.center, whole=True)
        check_not_negative(self, "power", self.power)
        if self.power < 1:
            raise PolicyError(f"power {self.power:g} for {self.name}", "a number from 1", f"write {self.usage}")
        if self.center and self.power == 1:
            raise PolicyError(f"center {self.center} for {self.name}", "a power above 1 with it", f"write {self.usage}")

    @property
    def spec(self) -> str:
        """The text that `parse` turns into this policy; without the shape of a spread that is even."""
        return f"{self.name}:{self.interval},{self.branch}" if self.power == 1 else super().spec

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse the deep part except at every `interval`-th step, or as many that are not spread evenly."""
        parts = tree.of_kind("deep")
        if not parts:
            raise self.refuse(tree, "a U-Net with skip connections", 'use "fora:N" or "steps:..." for transformers')
        columns = [c.id for c in parts if deep_depth(c.id) == self.branch]
        if not columns:
            depth = max(deep_depth(c.id) for c in parts)
            raise PolicyError(f"branch {self.branch}", f"a skip connection in 0..{depth}", f"write {self.usage}")
        return uniform(tree, steps, columns, self.computed(steps))

    def computed(self, steps: int) -> list[int]:
        """Return the steps at which the deep part is computed.

        Places between -c^(1/p) and (T-c)^(1/p) are spread evenly and then raised to p, sign kept, which draws them
        together around c. Where two fall on one step, fewer are computed.
        """
        even = list(list_steps(steps, self.interval))
        if self.power == 1:
            return even
        center = min(self.center, steps)
        places = np.linspace(-(center ** (1 / self.power)), (steps - center) ** (1 / self.power), len(even) + 1)[1:-1]
        drawn = np.sign(places) * np.abs(places) ** self.power
        return sorted({0, *(np.trunc(drawn).astype(int) + center).tolist()})
