"""Which component of one model does what a component of another does: how schedules move between variants."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import MismatchError
from .action import COMPUTE
from .component import GUIDANCE, Component, Tree, deep_depth, deep_id, guidance_id, span_id, span_range

MOST_STACKS = 5
"""Stacks whose heights are told one by one when models are not alike."""

_EVOLVE = "evolve a schedule for this model"


class Transfer(NamedTuple):
    """How a grid over one tree becomes a grid over another.

    Attributes:
        tree: the new tree, with the spans of the old one drawn over its blocks.
        sources: for each of its components the old ones, as indices, that it follows: one as a rule; none where it
            always computes; several, outermost first, where spans of many blocks fall together over few.
    """

    tree: Tree
    sources: tuple[tuple[int, ...], ...]

    def moved(
        self, executed: npt.NDArray[np.bool_], orders: npt.NDArray[np.int8], gains: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
        """Move orders and gains of a grid (steps, old components) to a grid (steps, new components)."""
        new_orders = np.full((len(orders), len(self.tree)), COMPUTE.order, dtype=np.int8)
        new_gains = np.zeros(new_orders.shape)
        for column, sources in enumerate(self.sources):
            asked = np.ones(len(orders), dtype=bool)
            for source in sources:
                new_orders[asked, column] = orders[asked, source]
                new_gains[asked, column] = gains[asked, source]
                asked &= executed[:, source]
        return new_orders, new_gains


def transfer(old: Tree, new: Tree, *, depth: bool = False) -> Transfer:
    """Match the components of two trees.

    Denoisers are matched by name, those that are left over in their order. Within a denoiser, components are matched
    by their place: kinds, containment and readers must agree, names need not. With `depth`, stacks of equal blocks may
    also differ in height: a block follows the one at the same relative height.

    Raises:
        MismatchError: if the trees are not alike.
    """
    tree, sources = new, dict[str, list[int]]()
    for theirs, ours in _denoisers(old, new):
        twins = _twins(old, new, theirs, ours, depth)
        sources |= {c.id: [old.index[twin.id]] for c, twin in twins}
        blocks = [twin.block for c, twin in twins if c.kind == "block" and twin.block is not None]
        for component in old.of_kind(GUIDANCE, "span", "deep"):
            if component.denoiser != theirs:
                continue
            if component.kind == GUIDANCE:
                id, tree = guidance_id(ours), tree.with_guidance(ours)
                sources[id] = [old.index[component.id]]
                continue
            if component.kind == "deep":
                id = deep_id(ours, deep_depth(component.id))
                if id not in new.index:
                    raise MismatchError(f"a schedule for {component.id}", f"a part of {ours}", _EVOLVE)
            else:
                first, last = (sum(block < edge for block in blocks) for edge in span_range(component.id))
                if first == last:  # all its blocks fell between those that are left
                    continue
                id, tree = span_id(ours, first, last), tree.with_span(ours, first, last)
            sources.setdefault(id, []).append(old.index[component.id])
    return Transfer(tree, tuple(tuple(sources.get(component.id, ())) for component in tree))


def _denoisers(old: Tree, new: Tree) -> Iterator[tuple[str, str]]:
    """Pairs of denoisers, the old one first."""
    theirs, ours = (list(dict.fromkeys(c.denoiser for c in tree)) for tree in (old, new))
    if len(theirs) != len(ours):
        raise MismatchError(f"a schedule for {', '.join(theirs)}", f"one for {', '.join(ours)}", _EVOLVE)
    left = [name for name in theirs if name not in ours]
    for name in ours:
        yield (name if name in theirs else left.pop(0)), name


def _twins(old: Tree, new: Tree, theirs: str, ours: str, depth: bool) -> list[tuple[Component, Component]]:
    """The new components of a denoiser, but for spans and deep parts, with the old ones that they follow."""
    before, after = _stacks(old, theirs), _stacks(new, ours)
    if [_form(stack[0]) for stack in before] != [_form(stack[0]) for stack in after]:
        raise MismatchError(
            f"a schedule for {_told(old, theirs, before)}",
            f"one for {_told(new, ours, after)}, of other parts",
            _EVOLVE,
        )
    if [len(stack) for stack in before] != [len(stack) for stack in after]:
        unet = any(c.kind == "deep" and c.denoiser in (theirs, ours) for tree in (old, new) for c in tree)
        if unet or not depth:
            mend = _EVOLVE if unet else "ask for depth=True, to spread what its blocks do over these"
            given, expected = _told(old, theirs, before), _told(new, ours, after)
            raise MismatchError(f"a schedule for {given}", f"one for {expected}", mend)
    pairs = [(new.components[new.index[ours]], old.components[old.index[theirs]])]
    for stack, origin in zip(after, before, strict=True):
        for height, unit in enumerate(stack):
            pairs += zip(unit, origin[int((height + 0.5) * len(origin) / len(stack))], strict=True)
    return pairs


Unit = list[Component]
"""A part that lies right below a denoiser, its spans or its deep parts, and all that lies in it."""


def _stacks(tree: Tree, denoiser: str) -> list[list[Unit]]:
    """The units of a denoiser, those of one form that follow one another together."""
    units: dict[str, Unit] = {}
    home: dict[str, str] = {}
    for component in tree:
        if component.denoiser == denoiser and component.kind not in ("denoiser", GUIDANCE, "span", "deep"):
            home[component.id] = home.get(component.parent or "", component.id)
            units.setdefault(home[component.id], []).append(component)
    return [list(stack) for _, stack in groupby(units.values(), key=_form)]


def _form(unit: Unit) -> tuple[object, ...]:
    """What makes a unit like another: kinds, containment and readers, but no names."""
    places = {c.id: i for i, c in enumerate(unit)}
    return tuple(
        (c.kind, c.block is None, places.get(c.parent or ""), *(places.get(r) for r in c.readers)) for c in unit
    )


def _told(tree: Tree, denoiser: str, stacks: list[list[Unit]]) -> str:
    heights = [len(stack) for stack in stacks]
    count = " + ".join(map(str, heights)) if 0 < len(heights) <= MOST_STACKS else str(sum(heights))
    kinds = dict.fromkeys(c.kind for c in tree if c.denoiser == denoiser and c.is_leaf)
    return f"{denoiser} with {count} parts ({', '.join(kinds) or 'no leaves'})"
