"""Which calls are computed together: those of a kind that was proved, under the same state of their threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ....runtime.joint.arguments import kind_of
from ....runtime.joint.flat import Flat, flat
from ....runtime.joint.joint_call import compute_together, may_meet, unseen
from ....runtime.joint.lane import Lane
from ....runtime.joint.proof import Proven, is_out_of_memory, prove
from ....runtime.lru import LRU
from ....runtime.ops.recompute import Again, Apart
from ....runtime.ops.table import computes
from .pieces import splits
from .sizes import Sizes, graph_of

RECOVERY = 64
"""Turns of a kind after which twice the rows are tried that memory was not short for."""

KINDS = 256
"""How many kinds of calls are remembered."""


class Waiting(NamedTuple):
    """A call that waits to be computed.

    Attributes:
        lane: the call.
        given: its arguments.
        kind: stands for what it has in common with those that it may be computed with.
    """

    lane: Lane
    given: Flat
    kind: object


@dataclass
class Most:
    """How many rows of a kind are computed together, since memory was short for twice as many.

    Attributes:
        rows: so many.
        turns: turns of the kind since then.
    """

    rows: int
    turns: int = 0

    def pass_turn(self) -> None:
        """Note a turn; after some, twice as many rows are tried: what memory was short for may be gone."""
        self.turns += 1
        if self.turns >= RECOVERY:
            self.rows, self.turns = 2 * self.rows, 0


def waiting(lane: Lane, state: object) -> Waiting:
    """Return a call as one that waits, in a thread of a state."""
    given = flat(lane)
    return Waiting(lane, given, _kinds.get_or_make((kind_of(lane, given), state), object))


_kinds: LRU[object, object] = LRU(2 * KINDS)
"""What stands for a kind: it is looked up by it many times in each turn, and what it consists of takes long to hash."""


class Batches:
    """Knows which kinds of calls can be computed together, and computes them."""

    def __init__(self) -> None:
        self._known: LRU[object, Proven | str] = LRU(KINDS)
        self._most: LRU[object, Most] = LRU(KINDS)
        self._sizes = Sizes()

    def company(self, first: Waiting, others: Sequence[Waiting], most: int) -> list[Waiting]:
        """Return the calls that a call is computed with, itself first; it alone, if there is none.

        Args:
            first: the call whose turn it is.
            others: those that wait besides, the likeliest first.
            most: how many rows a batch may have.
        """
        if first.lane.alone or isinstance(self._known.get(first.kind), str):
            return [first]
        limit = self._most.get(first.kind)
        if limit is not None:
            most = min(most, limit.rows)
            limit.pass_turn()
        fitting = [other for other in others if other.kind == first.kind and not other.lane.alone]
        if first.lane.regions is not None:
            graph = graph_of(first.lane)
            fitting = [other for other in fitting if graph_of(other.lane) == graph]
        pattern = _pattern(first.lane)
        alike = [other for other in fitting if _pattern(other.lane) == pattern]
        chosen, rows = [first], first.lane.rows
        for other in alike or fitting:
            if rows + other.lane.rows <= most:
                chosen.append(other)
                rows += other.lane.rows
        if first.lane.regions is not None:
            chosen = self._sizes.company(chosen, most)
        proven = self._known.get(first.kind)
        if isinstance(proven, Proven):
            looked_at = not unseen([each.lane for each in chosen], proven)
            if looked_at and not may_meet(first.lane, proven):
                return [first]
            if looked_at:
                chosen = [each for each in chosen if may_meet(each.lane, proven)]
        return chosen

    def compute(self, chosen: Sequence[Waiting]) -> list[Any] | None:
        """Compute several calls together, in this thread; None if they cannot be, as is then known.

        Raises:
            Apart: if they do not fit together after all.
        """
        lanes, given = [each.lane for each in chosen], [each.given for each in chosen]
        kind = chosen[0].kind
        proven = self._known.get(kind)
        if isinstance(proven, str):
            return None
        if proven is None or unseen(lanes, proven):
            modules = dict.fromkeys(
                [*(proven.modules if proven else ()), *(id_ for lane in lanes for id_ in lane.table)]
            )
            proven = prove(lanes, given, list(modules))
            self._known[kind] = proven
            if isinstance(proven, str) or not all(may_meet(lane, proven) for lane in lanes):
                return None
        self._sizes.note(chosen)
        return compute_together(lanes, given, proven)

    def why_alone(self, call: Waiting) -> str:
        """Return why a call is computed by itself although others wait."""
        known = self._known.get(call.kind)
        found = call.lane.alone or (known if isinstance(known, str) else "")
        return found or self._sizes.why_alone(call.lane) or "no other of its kind waits"

    @property
    def graphs(self) -> int:
        """Graphs that are held of compiled components whose calls were computed together."""
        return self._sizes.graphs

    def may_cut(self, call: Waiting) -> bool:
        """Return whether a call's rows are known to be computed as well in several calls."""
        proven = self._known.get(call.kind)
        return isinstance(proven, Proven) and splits(call.given, proven.reading, call.lane.rows)

    def note_failure(self, calls: Sequence[Waiting], error: Exception) -> type[Apart]:
        """Remember that calls failed together, and return how they are made anew.

        Where memory was short, half of their rows are tried, and in time more again; else no others of their kind.
        """
        kind = calls[0].kind
        if is_out_of_memory(error):
            self._most[kind] = Most(max(1, sum(call.lane.rows for call in calls) // 2))
            return Again
        if not isinstance(error, Apart):  # else these did not fit, and others of their kind may
            self._known[kind] = f"a joint call failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return Apart


def _pattern(lane: Lane) -> object:
    """What lanes have in common that compute and store the same components: nothing is copied where all do so."""
    return frozenset((id_, type(op), computes(op)) for id_, op in lane.table.items())
