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
        used: what each user has had (`Shares.update`).
    """

    def rank(one: Claim) -> tuple[bool, float, float, int]:
        first = one.slack if one.late and one.slack is not None else used.get(one.user, 0.0)
        return not one.late, first, -one.ratio, one.number

    return sorted(claims, key=rank)


class Shares:
    """Virtual time of each user: seconds of computing that they had, from the time of the others on when they came.

    It is start-time fair queueing (Goyal, Vin and Cheng 1996): who comes, or comes again, begins where those are that
    are served. So nobody is owed what they left unused, or owes what they had while nobody else was there.
    """

    def __init__(self) -> None:
        self._had: dict[str, float] = {}
        self._active: frozenset[str] = frozenset()
        self._now = 0.0

    def update(self, users: Collection[str]) -> Mapping[str, float]:
        """Return the virtual times of users who have work; others are forgotten unless they are ahead of these."""
        for user in users:
            if user not in self._active:
                self._had[user] = max(self._had.get(user, 0.0), self._now)
        self._active = frozenset(users)
        if users:
            self._now = max(self._now, min(self._had[user] for user in users))
        self._had = {user: had for user, had in self._had.items() if user in self._active or had > self._now}
        return self._had

    def spend(self, user: str, seconds: float) -> None:
        """Note that computing took seconds for a user."""
        self._had[user] = max(self._had.get(user, 0.0), self._now) + seconds
