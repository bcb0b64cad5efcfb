"""What a request asks for at the door, and the place behind it that it is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

from .backlog import Entry, Group
from .shares import Owner

if TYPE_CHECKING:
    from .admission import Door


@dataclass(frozen=True)
class Demand:
    """What a request that stands at the door asks for.

    Attributes:
        owner: whose it is.
        group: the line that it would wait in; None if that is not known yet, while it is read.
        levels: predicted seconds of one of its generations at each level of its model's controller.
        count: how many generations; all are let in, or none.
        bytes: of the pictures that came with it.
        deadline: seconds until it should have ended.
        alone: predicted seconds of one of its generations at its floor, if nothing is computed with it.
    """

    owner: Owner
    group: Group | None = None
    levels: tuple[float, ...] = ()
    count: int = 1
    bytes: int = 0
    deadline: float | None = None
    alone: float = 0.0

    @property
    def least(self) -> float:
        """Predicted seconds of all of its generations at the floor."""
        return self.count * self.levels[-1] if self.levels else 0.0


class Ticket:
    """A place behind the door, held until it is left; a context manager.

    Generations that were taken from it keep their part until they are over, also after it was left. The seconds of
    those that were not are given back to the quota of their key, unless what was let in is promised, and made later.
    """

    def __init__(self, door: Door, demand: Demand, entries: list[Entry]) -> None:
        self.demand = demand
        self._door, self._entries, self._left = door, entries, False

    def take(self) -> Entry | None:
        """Return the entry of a generation that begins, which is its own from now on; None if there is none left."""
        return self._entries.pop() if self._entries else None

    def grow(self, bytes: int) -> None:
        """Have room for more of a body that is read.

        Raises:
            Refused: if there is none.
        """
        if not self._left:
            self._door.grow(self.demand, bytes)
            self.demand = replace(self.demand, bytes=self.demand.bytes + bytes)

    def keep(self) -> None:
        """Give the place back, and leave its seconds charged: what it was for was promised."""
        if not self._left:
            self._left = True
            self._door.leave(self.demand, self._entries, refund=False)
            self._entries = []

    def leave(self) -> None:
        """Give the place back; it may have been given back before."""
        if not self._left:
            self._left = True
            self._door.leave(self.demand, self._entries)
            self._entries = []

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()
