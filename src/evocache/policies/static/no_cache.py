"""No caching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...schedule import Schedule, Tree
from ..base.policy import Policy


@dataclass(frozen=True)
class NoCache(Policy):
    """Computes everything: the reference that every other policy is held against."""

    name: ClassVar[str] = "none"
    usage: ClassVar[str] = "none"
    summary: ClassVar[str] = "compute everything"
    paper: ClassVar[str] = ""

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Return the full schedule."""
        return Schedule.full(tree, steps)
