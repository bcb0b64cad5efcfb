"""DeepCache: Accelerating Diffusion Models for Free (Ma et al., CVPR 2024, arXiv 2312.00858)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..errors import PolicyError
from ..schedule import Schedule, Tree, deep_depth
from .base import Policy, every, positive, uniform


@dataclass(frozen=True)
class DeepCache(Policy):
    """Computes the U-Net below skip connection `branch` every `interval` steps, and only the part above it between.

    Branch 0 is the shallowest: between, only the last layer of the way up runs.
    """

    interval: int
    branch: int = 0

    name: ClassVar[str] = "deepcache"
    usage: ClassVar[str] = "deepcache:N[,branch]"
    summary: ClassVar[str] = "the deep part of a U-Net every N steps"
    paper: ClassVar[str] = "arXiv 2312.00858"

    def __post_init__(self) -> None:
        positive(self, "interval", self.interval)
        if isinstance(self.branch, bool) or not isinstance(self.branch, int) or self.branch < 0:
            raise PolicyError(f"branch {self.branch!r}", "a whole number from 0", f"write {self.usage}")

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse the deep part except at every `interval`-th step."""
        parts = tree.of_kind("deep")
        if not parts:
            raise self.refuse(tree, "a U-Net with skip connections", 'use "fora:N" or "steps:..." for transformers')
        columns = [c.id for c in parts if deep_depth(c.id) == self.branch]
        if not columns:
            depth = max(deep_depth(c.id) for c in parts)
            raise PolicyError(f"branch {self.branch}", f"a skip connection in 0..{depth}", f"write {self.usage}")
        return uniform(tree, steps, columns, every(steps, self.interval))
