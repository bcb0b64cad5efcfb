"""Delta-DiT: A Training-Free Acceleration Method Tailored for Diffusion Transformers (arXiv 2406.01125)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import PolicyError
from ...schedule import COMPUTE, REUSE, Schedule, Tree, span_id, span_range
from ..base.parameter_checks import check_positive
from ..base.policy import Policy, list_steps


@dataclass(frozen=True)
class DeltaDiT(Policy):
    """Computes all every `interval` steps; between, the rear blocks are passed by early, and the front blocks late.

    What a run of blocks added last is added again. The front of the stack makes the outlines of a picture, which
    are settled early, and its rear the details, so that each is spared where it matters less.

    Attributes:
        interval: the paper's N.
        blocks: number of blocks at either end that are passed by, at most half of all.
        gate: first step of the late stage; the paper's b.
    """

    interval: int
    blocks: int
    gate: int

    name: ClassVar[str] = "delta-dit"
    usage: ClassVar[str] = "delta-dit:N,blocks,gate"
    summary: ClassVar[str] = "all every N steps; between, the rear blocks are skipped, and late the front blocks"
    paper: ClassVar[str] = "arXiv 2406.01125"

    def __post_init__(self) -> None:
        for name in ("interval", "blocks", "gate"):
            check_positive(self, name, getattr(self, name))

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse the rear span before the gate and the front span after it."""
        stacks = [c for c in tree.of_kind("span") if c.parent == c.denoiser]
        deep = [c for c in stacks if span_range(c.id)[1] >= 2 * self.blocks]
        if not deep:
            if stacks:
                most = max(span_range(c.id)[1] for c in stacks) // 2
                raise PolicyError(f"{self.blocks} blocks for {self.name}", f"at most {most}", f"write {self.usage}")
            raise self.refuse(tree, "a stack of blocks", 'use "deepcache:N" for a U-Net')
        ends: list[tuple[str, str]] = []
        for stack in deep:
            name, last = stack.denoiser, span_range(stack.id)[1]
            tree = tree.with_span(name, 0, self.blocks).with_span(name, last - self.blocks, last)
            ends.append((span_id(name, 0, self.blocks), span_id(name, last - self.blocks, last)))
        orders = np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8)
        for step in set(range(steps)) - set(list_steps(steps, self.interval)):
            for front, rear in ends:
                orders[step, tree.index[rear if step < self.gate else front]] = REUSE.order
        return Schedule(tree, orders)
