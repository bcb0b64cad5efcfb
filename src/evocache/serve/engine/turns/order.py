"""Whose turn it is: deadlines, then an even share for each user, then the shortest work, which ages while it waits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

DEADLINE = 2.0
"""A job goes first from when its deadline leaves it so many times its predicted work."""


class Claim(NamedTuple):
    """What a job that waits has to say for itself.

    Attributes:
        number: in the order of arrival.
        user: whose it is.
        left: predicted seconds of its work.
        idle: seconds since its last turn, or its arrival.
        slack: seconds until its deadline; None if it has none.
    """

    number: int
    user: str
    left: float
    idle: float
    slack: float | None = None

    @property
    def late(self) -> bool:
        """Whether its deadline is near."""
        return self.slack is not None and self.slack <= DEADLINE * self.left

    @property
    def ratio(self) -> float:
        """How long it waits in proportion to its work: short work goes first, long work comes to its turn as well.

        It is the response ratio of Brinch Hansen's "highest response ratio next" (1971), taken from the last turn on,
        so that a long job among many short ones has one turn after another, never all of them at once.
        """
        return 1.0 + self.idle / max(self.left, 1e-6)


def order(claims: Collection[Claim], used: Mapping[str, float]) -> Sequence[Claim]:
    """Return claims in the order of their turns.

    Args:
        claims: of the jobs that wait.
        used: seconds that each user has had of late.
    """

    def rank(one: Claim) -> tuple[bool, float, float, int]:
        first = one.slack if one.late and one.slack is not None else used.get(one.user, 0.0)
        return not one.late, first, -one.ratio, one.number

    return sorted(claims, key=rank)


class Shares:
    """Seconds of computing that each user has had of late: they fade, and a newcomer begins with the least of all.

    Args:
        half_life: seconds after which a second counts half.
    """

    def __init__(self, half_life: float = 30.0) -> None:
        self._half_life = half_life
        self._used: dict[str, float] = {}
        self._at = 0.0

    def fade(self, now: float, users: Collection[str]) -> Mapping[str, float]:
        """Return what users have had by now; those without work are forgotten once theirs is small."""
        part = 0.5 ** (max(0.0, now - self._at) / self._half_life) if self._at else 1.0
        least = min((self._used[user] for user in users if user in self._used), default=0.0)
        self._used = {user: had * part for user, had in self._used.items() if had * part > 1e-3 or user in users}
        self._at = now
        for user in users:
            self._used.setdefault(user, least * part)
        return self._used

    def spend(self, user: str, seconds: float) -> None:
        """Note that computing took seconds for a user."""
        self._used[user] = self._used.get(user, 0.0) + seconds
