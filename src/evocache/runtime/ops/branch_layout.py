"""What never changes of the branches of a plan: their components, and the modules that they stand for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import nn

from ...model import Denoiser
from ...model.unet import Deep
from ...schedule import GUIDANCE, Component, Tree, deep_depth, span_range
from ..program.plan import Plan

WHOLE = ("denoiser", GUIDANCE)
"""Kinds that are the denoiser call itself, which is in no table."""


@dataclass(frozen=True, eq=False)
class BranchLayout:
    """The components of a branch by their columns, made once for all branches of a plan.

    Attributes:
        denoiser: the denoiser.
        tree: the components of the whole schedule.
        touched: columns of the components that are ever stored.
    """

    denoiser: Denoiser
    tree: Tree
    touched: frozenset[int]
    _covered: dict[int, list[int]] = field(default_factory=dict)
    _addresses: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, denoiser: Denoiser, plan: Plan) -> BranchLayout:
        """Return the layout of a denoiser's branches under a plan."""
        return cls(denoiser, plan.schedule.tree, plan.touched)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """All components."""
        return self.tree.components

    @cached_property
    def ids(self) -> list[str]:
        """Their ids."""
        return [component.id for component in self.components]

    @cached_property
    def kinds(self) -> list[str]:
        """Their kinds."""
        return [component.kind for component in self.components]

    @cached_property
    def root(self) -> int:
        """The denoiser's column."""
        return self.kinds.index("denoiser")

    @cached_property
    def guidance(self) -> int | None:
        """Column of what contains the denoiser where a call may be made from the step's first one."""
        return self.kinds.index(GUIDANCE) if GUIDANCE in self.kinds else None

    @cached_property
    def sources(self) -> dict[int, tuple[int, ...]]:
        """Per component that only others read, these readers."""
        return {column: tuple(readers) for column, readers in dict(self.tree.sources).items()}

    @cached_property
    def delicate(self) -> frozenset[int]:
        """Columns that are recalled only while what they stand for is there."""
        readers = {reader for readers in self.sources.values() for reader in readers}
        return frozenset(c for c in self.touched if self.kinds[c] == "deep" or c in readers)

    @cached_property
    def skipped(self) -> tuple[nn.Module, ...]:
        """Modules that do not run where a deep part, or all readers of a component, are recalled."""
        found: list[nn.Module] = []
        for column in self.touched:
            if self.kinds[column] == "deep":
                found += self.deep(column).skipped
            elif self.components[column].readers:
                found.append(self.module(column))
        return tuple(found)

    def covered(self, column: int) -> list[int]:
        """Columns of the blocks that a span covers, or of the block itself."""
        if column not in self._covered:
            component = self.components[column]
            first, last = span_range(component.id) if component.kind == "span" else (0, 0)
            blocks = [(i, c.block) for i, c in enumerate(self.components) if c.kind == "block" and c.block is not None]
            inside = [i for i, block in blocks if first <= block < last]
            self._covered[column] = inside if component.kind == "span" else [column]
        return self._covered[column]

    def module(self, column: int) -> nn.Module:
        """Return the module of a leaf, a block or the denoiser."""
        return self.denoiser.modules[self.components[column].id]

    def address(self, column: int) -> int:
        """Return the id of that module."""
        found = self._addresses.get(column)
        if found is None:
            found = self._addresses[column] = id(self.module(column))
        return found

    def deep(self, column: int) -> Deep:
        """Return the shape of a deep part."""
        assert self.denoiser.unet is not None
        return self.denoiser.unet.deeps[deep_depth(self.components[column].id)]

    @cached_property
    def touched_modules(self) -> tuple[nn.Module, ...]:
        """Modules whose calls are changed or watched."""
        out: dict[int, nn.Module] = {}
        for column in self.touched:
            kind = self.kinds[column]
            if kind == "deep":
                modules = [*self.deep(column).skipped, *self.deep(column).exits]
            elif kind in ("span", "block"):
                modules = [self.module(block) for block in self.covered(column)]
            else:
                modules = [] if kind in WHOLE else [self.module(column)]
            out.update({id(m): m for m in modules})
        return tuple(out.values())

    def inside(self, column: int, but: Collection[int] = ()) -> npt.NDArray[np.bool_]:
        """Return which columns are a component's and those of all its parts, but for some blocks and their parts."""
        found = np.zeros(len(self.tree), dtype=bool)
        found[column] = True
        for i, parent in enumerate(self.tree.parents):
            found[i] |= parent >= 0 and found[parent] and i not in but
        return found

    def parts(self, column: int) -> Iterator[nn.Module]:
        """Return all modules that do not run where a component is recalled."""
        kind = self.kinds[column]
        if kind in WHOLE:
            inside = [self.denoiser.module]
        elif kind == "deep":
            inside = [*self.deep(column).skipped]
        else:
            inside = [self.module(c) for c in (self.covered(column) if kind == "span" else [column])]
        return (part for module in inside for part in module.modules())
