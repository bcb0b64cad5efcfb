"""A schedule over a model's own tree: what a file says of components is compared, and never believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MismatchError, ScheduleError
from .action import COMPUTE
from .component import GUIDANCE, Component, Tree, span_range

if TYPE_CHECKING:
    from .schedule import Schedule

_DRAWN = (GUIDANCE, "span", "deep")
"""Kinds that a schedule may leave out: they contain others, and compute wherever nothing else is said."""


def match_tree(schedule: Schedule, tree: Tree) -> Schedule:
    """Return the schedule over a model's own components.

    Kinds, blocks, parents and readers decide what is dead code, so they are the model's: those of the schedule must be
    the same, component by component. Spans and guidance that the schedule adds are drawn again over the model's tree.
    A component whose block or readers the schedule leaves out takes the model's.

    Args:
        schedule: made by hand, by a policy or from a file.
        tree: the components that discovery finds in the model.

    Raises:
        MismatchError: if the schedule was made for other components; it names the first difference.
    """
    if schedule.tree.components == tree.components:
        return schedule
    own = _drawn(schedule.tree, tree)
    if schedule.tree.components == own.components:
        return schedule
    for difference in _differences(schedule.tree, own):
        raise difference
    columns = [schedule.tree.index.get(component.id, -1) for component in own]
    known = [column for column in columns if column >= 0]
    places = [place for place, column in enumerate(columns) if column >= 0]
    assert schedule.gains is not None
    orders = np.full((schedule.steps, len(own)), COMPUTE.order, dtype=np.int8)
    gains = np.zeros(orders.shape)
    orders[:, places], gains[:, places] = schedule.orders[:, known], schedule.gains[:, known]
    return type(schedule).repaired(own, orders, gains, model=schedule.model, provenance=schedule.provenance)


def _drawn(theirs: Tree, tree: Tree) -> Tree:
    """The model's tree with the guidance and the spans that a schedule adds, each where the model has it."""
    for component in theirs.of_kind(GUIDANCE, "span"):
        if component.id in tree.index:
            continue
        try:
            if component.kind == GUIDANCE:
                tree = tree.with_guidance(component.denoiser)
            else:
                tree = tree.with_span(component.denoiser, *span_range(component.id))
        except ScheduleError as error:
            raise MismatchError(error.given, error.expected, "use a schedule that was made for this model") from None
    return tree


def _differences(theirs: Tree, own: Tree) -> Iterator[MismatchError]:
    """What a schedule says of components that is not so."""
    for component in theirs:
        if component.id not in own.index:
            yield _mismatch(f"{component.kind} {component.id}", "a component of the model")
            continue
        model = own.components[own.index[component.id]]
        if component.kind != model.kind:
            yield _mismatch(f"{component.id} of kind {component.kind}", f"kind {model.kind}")
        if component.block not in (None, model.block):
            yield _mismatch(f"{component.id} in block {component.block}", f"block {model.block}")
        if component.parent != (parent := _above(model, theirs, own)):
            yield _mismatch(f"{component.id} in {component.parent}", f"it in {parent}")
        if component.readers and set(component.readers) != set(model.readers):
            readers = ", ".join(model.readers) or "no only readers"
            yield _mismatch(f"{component.id} read by {', '.join(component.readers)} alone", readers)
    for component in own:
        if component.kind not in _DRAWN and component.id not in theirs.index:
            yield _mismatch(f"no {component.kind} {component.id}", "all components of the model")


def _above(component: Component, theirs: Tree, own: Tree) -> str | None:
    """The nearest of a component's parents that the other tree has."""
    parent = component.parent
    while parent is not None and parent not in theirs.index:
        parent = own.components[own.index[parent]].parent
    return parent


def _mismatch(given: str, expected: str) -> MismatchError:
    return MismatchError(
        f"a schedule with {given}", f"{expected}, as in the model", "use a schedule that was made for this model"
    )
