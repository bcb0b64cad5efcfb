"""The component tree as it is shown: equal neighbours in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..tables import Column, plain, table

if TYPE_CHECKING:
    from .component import Component, Tree


@dataclass(frozen=True)
class Node:
    """One line: a component, or several that are alike.

    Attributes:
        members: the components, in order.
        level: depth in the tree; 0 for a denoiser.
    """

    members: tuple[Component, ...]
    level: int

    @property
    def label(self) -> str:
        """Id without that of the denoiser; the numbers in which several differ as ranges: `blocks.0-27`."""
        parts = [re.split(r"(\d+)", _own(c)) for c in self.members]
        if len(parts) == 1:
            return "".join(parts[0])
        columns = zip(*parts, strict=True)
        return "".join(_range(column) for column in columns)


def group_nodes(tree: Tree, alike: Callable[[Component], object], depth: int | None = None) -> Iterator[Node]:
    """Return the lines in order, parents before children.

    The deep parts of a U-Net, each within the one before, stand below one another without indentation.

    Args:
        tree: the components.
        alike: what else must be equal for neighbours to share a line, such as shapes.
        depth: levels to show, each component on a line of its own; all levels, collapsed, when not given.
    """
    children: dict[str | None, list[Component]] = {}
    for component in tree.components:
        children.setdefault(component.parent, []).append(component)
    looks: dict[str, object] = {}
    for component in reversed(tree.components):
        name = re.sub(r"\d+", "#", _own(component))
        inside = tuple(looks[c.id] for c in children.get(component.id, ()))
        looks[component.id] = (name, component.kind, alike(component), inside)

    def below(parents: Sequence[Component], level: int) -> Iterator[Node]:
        if depth is not None and level >= depth:
            return
        columns = list(zip(*(children.get(p.id, ()) for p in parents), strict=True))
        while columns:
            members, *columns = columns
            while depth is None and columns and looks[columns[0][0].id] == looks[members[0].id]:
                members += columns.pop(0)
            nested = members[0].kind == "deep" == parents[0].kind
            yield Node(members, level - nested)
            yield from below(members, level + 1 - nested)

    for root in children.get(None, ()):
        yield Node((root,), 0)
        yield from below((root,), 1)


def _own(component: Component) -> str:
    """The id without what the parents' already say."""
    name = component.id.split("/", 1)[-1]
    parent = (component.parent or "").split("/", 1)[-1]
    return name.removeprefix(f"{parent}.") if component.is_leaf else name


def _range(texts: Sequence[str]) -> str:
    """A text that all share, or the range of the numbers in which they differ."""
    if len(set(texts)) == 1:
        return texts[0]
    numbers = sorted({int(text) for text in texts})
    return f"{numbers[0]}-{numbers[-1]}"


def render_tree(tree: Tree, width: int | None = None) -> str:
    """Render a component tree as `print` shows it, as `evocache inspect` does: without what nobody has measured."""
    shown = group_nodes(tree, lambda component: None)
    rows = [
        ("  " * node.level + node.label, f"×{len(node.members)}" if len(node.members) > 1 else "", node.members[0].kind)
        for node in shown
    ]
    columns = (Column("component", room="wrap"), Column("", numeric=True), Column("kind"))
    leaves = len(tree.leaves)
    return plain(table(columns, rows), f"{len(tree)} components, {leaves} of them leaves", width=width)
