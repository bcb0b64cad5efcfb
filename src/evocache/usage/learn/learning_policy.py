"""What a policy that learns has beside the contract of all policies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager

from ..policies.policy import EvictionPolicy
from .audit import Audit


class LearningPolicy(EvictionPolicy):
    """Decides better as it sees more, and says who decides, and why.

    Attributes:
        decider: what decides now.
        since: number of requests after which it began to.
        audit: the log of decisions.
        behind: whether learning waits for `lesson`; else it happens at each request.
    """

    decider: str
    since: int
    audit: Audit
    behind: bool

    @abstractmethod
    def lesson(self, lock: AbstractContextManager[object]) -> Callable[[], None] | None:
        """Return what should be learned now; None if nothing is.

        Args:
            lock: what everybody holds who uses the policy. The lesson may take seconds, of which it holds the lock for
                some milliseconds at a time.
        """

    @abstractmethod
    def forget_owner(self, owner: int) -> None:
        """Forget what is known of an owner's habits, by the digest of the owner."""
