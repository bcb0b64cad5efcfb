"""Batches of what is compiled: of few numbers of rows, as each may be a graph of its own, and there are not many."""

from __future__ import annotations

from collections.abc import Sequence
from types import CodeType
from typing import TYPE_CHECKING

from ....runtime.attach.graph_limit import Graphs
from ....runtime.joint.lane import Lane
from ....runtime.joint.padding import padded, padding_of
from ....runtime.lru import LRU
from ....runtime.ops.table import computes

if TYPE_CHECKING:
    from .batches import Waiting

KINDS = 256
"""Of how many kinds of calls it is remembered which numbers of rows were computed."""

WASTE = 3
"""A batch is filled up with at most its rows by this; else some of its calls wait for the next."""

NO_ROOM = "it is compiled, and as many graphs are made of it as may be"


def graph_of(lane: Lane) -> object:
    """Return what compiled calls have in common that one graph serves: the operations in their regions."""
    inside = lane.regions.within(lane.table) if lane.regions is not None else ()
    return frozenset((id_, type(lane.table[id_]), computes(lane.table[id_])) for id_ in inside)


def count_graphs(lane: Lane) -> int:
    """Count the graphs that there are of what a call computes; 0 if nothing of it is compiled."""
    return 0 if lane.regions is None else sum(graphs.count() for graphs in lane.regions.graphs.values())


class Sizes:
    """Knows for how many rows what is compiled was computed, and how many graphs there are of it."""

    def __init__(self) -> None:
        self._known: LRU[object, set[int]] = LRU(KINDS)
        self._graphs: dict[CodeType, Graphs] = {}

    def company(self, chosen: Sequence[Waiting], most: int) -> list[Waiting]:
        """Return those first ones of some calls that are computed together: as many as there are graphs for, or may be.

        Args:
            chosen: calls that one graph serves.
            most: how many rows a batch may have.
        """
        known, room = self._known.get(_key(chosen[0])) or (), self._has_room(chosen[0].lane)
        for count in range(len(chosen), 1, -1):
            lanes = [call.lane for call in chosen[:count]]
            rows, padding = sum(lane.rows for lane in lanes), padding_of(lanes)
            if rows + padding <= most and (room or rows + padding in known) and (padding * WASTE <= rows or count == 2):
                return list(chosen[:count])
        return [chosen[0]]

    def note(self, chosen: Sequence[Waiting]) -> None:
        """Note that calls are computed together."""
        if chosen[0].lane.regions is not None:
            rows = sum(call.lane.rows for call in chosen)
            self._known[_key(chosen[0])] = {*(self._known.get(_key(chosen[0])) or ()), padded(rows)}
            self._graphs.update(chosen[0].lane.regions.graphs)

    def why_alone(self, lane: Lane) -> str:
        """Return why a call meets no others of its kind; empty if graphs are no reason."""
        return "" if self._has_room(lane) else NO_ROOM

    @property
    def graphs(self) -> int:
        """How many graphs there are of what was computed together."""
        return sum(graphs.count() for graphs in self._graphs.values())

    def _has_room(self, lane: Lane) -> bool:
        return lane.regions is None or all(graphs.room() for graphs in lane.regions.graphs.values())


def _key(call: Waiting) -> object:
    return call.kind, graph_of(call.lane)
