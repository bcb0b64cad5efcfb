"""What was charged for jobs at the door, until their pictures are made, or found without being made."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ..control.ticket import Demand

MOST = 10_000
"""Jobs that are remembered; others on the database may have been made by other servers."""


@dataclass
class _Charge:
    pictures: int
    seconds: float
    """Of each."""


class Charges:
    """Remembers what this server charged for which job; used in one loop."""

    def __init__(self) -> None:
        self._charges: OrderedDict[str, _Charge] = OrderedDict()

    def add(self, id: str, demand: Demand) -> None:
        """Note what was charged for a job, as it was let in."""
        self._charges[id] = _Charge(demand.count, demand.levels[-1])
        if len(self._charges) > MOST:
            self._charges.popitem(last=False)

    def take(self, id: str) -> bool:
        """Take the part of a picture that is made now; whether it was charged for, and not taken before."""
        charge = self._charges.get(id)
        if charge is None or not charge.pictures:
            return False
        charge.pictures -= 1
        return True

    def close(self, id: str) -> float:
        """Forget a job; returns the seconds that were charged for pictures of it that nobody made."""
        charge = self._charges.pop(id, None)
        return 0.0 if charge is None else charge.pictures * charge.seconds
