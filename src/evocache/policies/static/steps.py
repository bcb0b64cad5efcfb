"""A step mask: whole steps are computed or skipped. BudCache and others choose the steps; here they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...errors import PolicyError, short
from ...schedule import Component, Schedule, Tree, uniform
from ...schedule.size_limits import MAX_STEPS
from ..base.policy import Policy


@dataclass(frozen=True)
class Steps(Policy):
    """Computes all blocks at the given steps; between, the residual of the whole stack is reused.

    On a U-Net the part below the shallowest skip connection is reused instead.

    Attributes:
        computed: numbers of the steps that are computed, the first one, 0, among them.
    """

    computed: tuple[int, ...]

    name: ClassVar[str] = "steps"
    usage: ClassVar[str] = "steps:0,1,4,8,..."
    summary: ClassVar[str] = "all blocks at the steps listed, one residual reused between"
    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not self.computed or any(isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in self.computed):
            raise PolicyError(f"steps {short(self.computed)}", "whole numbers from 0", f"write {self.usage}")
        if max(self.computed) >= MAX_STEPS:
            given = f"step {short(max(self.computed))} in {self.name}"
            raise PolicyError(given, f"steps in 0..{MAX_STEPS - 1}", "list only steps that are run")
        if 0 not in self.computed:
            raise PolicyError(short(self.spec), "step 0 among the computed steps", "nothing can be reused before it")
        if sorted(set(self.computed)) != list(self.computed):
            raise PolicyError(short(self.spec), "steps in increasing order, each once", "sort the list")

    @property
    def min_steps(self) -> int:
        """One more than the last step listed."""
        return self.computed[-1] + 1

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse the stack of each denoiser except at the steps listed."""
        if steps < self.min_steps:
            raise PolicyError(
                f"{self.spec} for {steps} steps", f"at least {self.min_steps} steps", "list only steps that are run"
            )
        return uniform(tree, steps, [c.id for c in find_outermost(tree)], self.computed)


def find_outermost(tree: Tree) -> list[Component]:
    """Return the largest parts below each denoiser: its span, or deep part, or single block, or the denoiser itself."""
    out: list[Component] = []
    for root in tree.of_kind("denoiser"):
        inside = [c for c in tree.components if c.denoiser == root.id]
        for kind in ("span", "deep", "block"):
            parts = [c for c in inside if c.kind == kind and c.parent == root.id]
            if parts:
                out += parts
                break
        else:
            out.append(root)
    return out
