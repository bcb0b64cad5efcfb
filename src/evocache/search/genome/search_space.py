"""What a search may vary: groups of components that are worth acting on together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...errors import RunError
from ...schedule import LEAF_KINDS, Tree

Columns = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Space:
    """The search space over a component tree and numbers of steps.

    Attributes:
        tree: the components.
        steps: denoising steps of the uncached generation that all is held against; no schedule has more.
        least: fewest steps that a schedule may have; None where all have `steps`.
    """

    tree: Tree
    steps: int
    least: int | None = None

    def __post_init__(self) -> None:
        if self.least is not None and not 1 < self.least <= self.steps:
            raise RunError(f"at least {self.least} steps", f"2 to {self.steps}", "correct the number of steps")

    @property
    def varies(self) -> bool:
        """Whether schedules may have fewer steps."""
        return self.least is not None and self.least < self.steps

    @cached_property
    def outer(self) -> tuple[Columns, ...]:
        """Groups of one container each: spans, deep parts and whole denoisers."""
        containers = [i for i, c in enumerate(self.tree.components) if c.kind in ("span", "deep", "denoiser")]
        return tuple(np.array([i], dtype=np.intp) for i in containers)

    @cached_property
    def kinds(self) -> dict[str, Columns]:
        """Leaves by kind."""
        columns = {kind: [i for i, c in enumerate(self.tree.components) if c.kind == kind] for kind in LEAF_KINDS}
        return {kind: np.array(found, dtype=np.intp) for kind, found in columns.items() if found}

    @cached_property
    def leaves(self) -> Columns:
        """All leaves."""
        return np.sort(np.concatenate([*self.kinds.values(), np.array([], dtype=np.intp)])).astype(np.intp)

    @cached_property
    def blocks(self) -> npt.NDArray[np.int64]:
        """Block of each component; -1 for those above blocks."""
        return np.array([-1 if c.block is None else c.block for c in self.tree.components], dtype=np.int64)

    def pick_group(self, rng: np.random.Generator, outer: float = 0.5) -> Columns:
        """Return a group: a container with probability `outer`, else a kind of leaves over a random range of blocks."""
        if self.outer and (rng.random() < outer or not len(self.leaves)):
            return self.outer[int(rng.integers(len(self.outer)))]
        kinds = list(self.kinds.values())
        columns = kinds[int(rng.integers(len(kinds)))] if rng.random() < 0.8 else self.leaves
        present = np.unique(self.blocks[columns])
        if rng.random() < 0.5 or len(present) < 2:
            return columns
        low, high = np.sort(rng.choice(present, 2))
        inside = columns[(self.blocks[columns] >= low) & (self.blocks[columns] <= high)]
        return inside if len(inside) else columns
