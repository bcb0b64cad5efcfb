"""Whose turn it is: deadlines, then a share for each user, then the shortest work, which cannot be put off for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

DEADLINE = 2.0
"""A job goes first from when its deadline leaves it so many times its predicted work, until that deadline is past."""

FAVOUR = 4.0
"""How many times less a second of short work counts than one of long work, at most. So nobody has less than this part
of an even share, between users and between jobs of one."""


class Claim(NamedTuple):
    """What a job that waits has to say for itself.

    Attributes:
        number: in the order of arrival.
        user: whose it is.
        left: predicted seconds of its work.
        turn: predicted seconds of its next turn.
        had: seconds that it has had.
        passed: seconds that its user's other jobs have had since its latest turn, or its arrival.
        slack: seconds until its deadline; None if it has none.
    """

    number: int
    user: str
    left: float
    turn: float = 0.0
    had: float = 0.0
    passed: float = 0.0
    slack: float | None = None

    @property
    def late(self) -> bool:
        """Whether its deadline is near, and not past: what cannot be in time any more waits as all do."""
        return self.slack is not None and 0 < self.slack <= DEADLINE * self.left

    @property
    def whole(self) -> float:
        """Predicted seconds from its beginning to its end."""
        return self.had + self.left


def order(claims: Collection[Claim], used: Mapping[str, float]) -> Sequence[Claim]:
    """Return claims in the order of their turns.

    Of one user's jobs the shortest goes first, but each has a turn at the latest when the others have had `FAVOUR`
    times what it would have had if all had gone round.

    Args:
        claims: of the jobs that wait.
        used: what each user has had (`Shares.update`).
    """
    jobs = Counter(claim.user for claim in claims)

    def rank(one: Claim) -> tuple[bool, float, float, float, int]:
        first = one.slack if one.late and one.slack is not None else used.get(one.user, 0.0)
        rounds = one.passed / max(one.turn, 1e-6) / jobs[one.user]
        return not one.late, first, -rounds if rounds > FAVOUR else 0.0, one.left, one.number

    return sorted(claims, key=rank)


def favours(claims: Collection[Claim]) -> Mapping[int, float]:
    """Return by what the seconds of each job are divided where they are counted for its user, by its number.

    It is how many times shorter its work is than the longest that waits, from 1 to `FAVOUR`: what somebody waits for in
    front of a screen is not slowed to half by a long job of somebody else.
    """
    longest = max((claim.whole for claim in claims), default=0.0)
    return {claim.number: min(FAVOUR, max(1.0, longest / max(claim.whole, 1e-6))) for claim in claims}


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
        self._pass(self._active)
        self._had = {user: had for user, had in self._had.items() if user in self._active or had > self._now}
        return self._had

    def is_alone(self, user: str) -> bool:
        """Return whether nobody but a user has work, as far as was told."""
        return len(self._active) == 1 and user in self._active

    def _pass(self, users: Collection[str]) -> None:
        """Have the time be at least that of the user among these who had least."""
        self._now = max(self._now, min((self._had.get(user, 0.0) for user in users), default=0.0))

    def spend(self, user: str, seconds: float, favour: float = 1.0, *, turn: bool = True) -> None:
        """Note that computing took seconds for a user.

        Args:
            user: the user.
            seconds: of computing.
            favour: by what they are divided (`favours`).
            turn: whether they are a turn's, from whose beginning on the time is that of its user; and not what was done
                between turns: who comes then begins where the turn before began.
        """
        if turn:
            self._pass(self._active)  # who is alone has many turns before it is asked whose turn it is
        self._had[user] = max(self._had.get(user, 0.0), self._now) + seconds / favour
