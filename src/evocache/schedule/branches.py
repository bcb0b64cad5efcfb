"""What the calls of a step follow where guidance makes one from another: the first, and those after it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .action import COMPUTE
from .component import GUIDANCE, Component, Tree


class BranchGrid(NamedTuple):
    """A grid (steps, components) that some of a step's calls follow, not yet canonical, and its components."""

    tree: Tree
    orders: npt.NDArray[np.int8]
    gains: npt.NDArray[np.float64]


def keep_first_branch(tree: Tree, orders: npt.NDArray[np.int8], gains: npt.NDArray[np.float64]) -> BranchGrid:
    """Return what a step's first call follows: all but what is said of guidance, which later calls follow."""
    columns = [i for i, c in enumerate(tree) if c.kind != GUIDANCE]
    return BranchGrid(Tree(tuple(tree.components[i] for i in columns)), orders[:, columns], gains[:, columns])


def keep_other_branches(
    tree: Tree, orders: npt.NDArray[np.int8], gains: npt.NDArray[np.float64], read: npt.NDArray[np.bool_]
) -> BranchGrid:
    """Return what a step's later calls follow: guidance contains the denoiser, so that where it is read nothing runs.

    Where it is not looked at, since the denoiser itself does not run, the call does what the denoiser does.
    """
    guides = {c.denoiser: c for c in tree if c.kind == GUIDANCE}
    components: list[Component] = []
    for component in tree:
        guide = guides.get(component.denoiser)
        if guide is None or component not in (guide, tree.components[tree.index[guide.denoiser]]):
            components.append(component)
        elif component is not guide:
            top = Component(guide.id, GUIDANCE)
            components += [top, Component(component.id, component.kind, component.block, top.id, component.readers)]
    orders = orders.copy()
    for guide in guides.values():
        column = tree.index[guide.id]
        orders[~read[:, column], column] = COMPUTE.order
    columns = [tree.index[c.id] for c in components]
    return BranchGrid(Tree(tuple(components)), orders[:, columns], gains[:, columns])
