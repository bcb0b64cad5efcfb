"""The state of a branch before a call, so that the call can be made anew as if it had not begun."""

from __future__ import annotations

from collections.abc import Hashable

from ...memory.stored_piece import Piece
from .branch import Branch

_CHANGED = frozenset((dict, list, set))
"""Types of what a branch's calls change in place; arrays are made anew."""


class BranchCopy:
    """Keeps what a branch knows and stores, until a call of it is over.

    Features are kept, not copied: what the call forgets stays alive as long as this. Of a branch that parks features
    nothing can be given back, since those that are read for the last time leave their tier.

    Args:
        branch: the branch, between two calls.
    """

    def __init__(self, branch: Branch) -> None:
        self._branch = branch
        self._known = dict(vars(branch))
        self._stored: dict[Hashable, list[Piece]] = {}
        if branch.plan.touched:  # else nothing is noted of a call but how many there were
            for name, value in self._known.items():
                if type(value) in _CHANGED:
                    self._known[name] = value.copy()
            self._stored = branch.store.entries(branch.key)

    def restore(self) -> None:
        """Have the branch be what it was."""
        vars(self._branch).update(self._known)
        self._branch.store.replace(self._branch.key, self._stored)


def copy_of(branch: Branch) -> BranchCopy | None:
    """Return the state of a branch; None if it could not be given back."""
    return BranchCopy(branch) if branch.tape is None else None
