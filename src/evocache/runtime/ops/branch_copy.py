"""The state of a branch before a call, so that the call can be made anew as if it had not begun."""

from __future__ import annotations

from typing import Any

import numpy as np

from .branch import Branch


class BranchCopy:
    """Keeps what a branch knows and stores, until a call of it is over.

    Features are kept, not copied: what the call forgets stays alive as long as this. Of a branch that parks features
    nothing can be given back, since those that are read for the last time leave their tier.

    Args:
        branch: the branch, between two calls.
    """

    def __init__(self, branch: Branch) -> None:
        self._branch = branch
        self._known = {name: _copied(value) for name, value in vars(branch).items()}
        self._stored = branch.store.entries(branch.key)

    def restore(self) -> None:
        """Have the branch be what it was."""
        vars(self._branch).update(self._known)
        self._branch.store.replace(self._branch.key, self._stored)


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, (dict, list, set, np.ndarray)) else value


def copy_of(branch: Branch) -> BranchCopy | None:
    """Return the state of a branch; None if it could not be given back."""
    return BranchCopy(branch) if branch.tape is None else None
