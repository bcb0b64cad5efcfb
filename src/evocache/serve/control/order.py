"""Who goes next: near deadlines, then who has had least, then the shortest work, which cannot be put off for ever."""

from __future__ import annotations

from typing import NamedTuple

from .deadlines import is_near, may_hurry
from .shares import Owner, Shares


class Claim(NamedTuple):
    """What a task that waits has to say for itself.

    Attributes:
        number: in the order of arrival.
        owner: whose it is.
        patient: whether nobody waits at the line.
        work: predicted seconds, at the point that it would get now.
        waited: seconds since it came.
        left: seconds until its deadline; None if it has none.
        generation: seconds of an uncached one of its model.
    """

    number: int
    owner: Owner
    patient: bool
    work: float
    waited: float
    left: float | None = None
    generation: float = 0.0

    @property
    def response_ratio(self) -> float:
        """How many times as long as its work it will have taken: it grows the faster, the shorter the work is."""
        return (self.waited + self.work) / max(self.work, 1e-9)


def rank(claim: Claim, shares: Shares) -> tuple[bool, float, float, bool, float, int]:
    """Return what claims are sorted by: the least goes first.

    Within an owner the highest response ratio goes first (Brinch Hansen 1971): short work before long, which comes to
    its turn as it waits.

    Args:
        claim: of a task that waits.
        shares: what owners have had.
    """
    account, user = shares.rank(claim.owner)
    hurries = is_near(claim.left, claim.work) and may_hurry(shares.ahead(claim.owner), claim.generation)
    if hurries and claim.left is not None:
        return False, claim.left, 0.0, claim.patient, -claim.response_ratio, claim.number
    return True, account, user, claim.patient, -claim.response_ratio, claim.number
