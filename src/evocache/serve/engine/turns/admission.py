"""Who begins next: a deadline that is near, then users with the fewest open jobs, then who came first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from .order import DEADLINE

OVERTAKEN = 8
"""How many jobs may begin before one that there is no room for; then all wait until there is."""

LOOKED_AT = 16
"""How many queued jobs are looked at for one that there is room for."""


class Asked(NamedTuple):
    """A job that is queued.

    Attributes:
        number: in the order of arrival.
        user: whose it is.
        overtaken: how many jobs began although it was before them.
        usual: seconds that jobs like it took.
        slack: seconds until its deadline; None if it has none.
    """

    number: int
    user: str
    overtaken: int = 0
    usual: float = 0.0
    slack: float | None = None


def line(asked: Collection[Asked], open: Counter[str]) -> Sequence[Asked]:
    """Return queued jobs in the order in which they begin.

    Args:
        asked: the jobs.
        open: how many jobs of each user have begun and are not over.
    """

    def rank(one: Asked) -> tuple[bool, bool, float, int, int]:
        near = one.slack is not None and 0 < one.slack <= DEADLINE * one.usual
        urgency = one.slack if near and one.slack is not None else 0.0
        return one.overtaken < OVERTAKEN, not near, urgency, open[one.user], one.number

    return sorted(asked, key=rank)


def choose(waiting: Sequence[Asked], has_room: Callable[[Asked], bool]) -> tuple[Asked | None, Sequence[Asked]]:
    """Return the job that begins next, and those that it overtakes; None if there is room for none that may.

    Args:
        waiting: queued jobs in order.
        has_room: tells whether there is room for one.
    """
    for at, one in enumerate(waiting[:LOOKED_AT]):
        if has_room(one):
            return one, waiting[:at]
        if one.overtaken >= OVERTAKEN:
            break
    return None, ()
