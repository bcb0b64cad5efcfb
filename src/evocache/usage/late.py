"""Functions that are called after whoever gave them has gone on: whether they still compute what was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import UsageError


def refuse_changed(compute: Callable[[], Any], *, late: bool) -> None:
    """Refuse to compute an answer, or to keep it, where the arguments of the question are others by now.

    Args:
        compute: computes the answer. If it has a method `unchanged(late)`, that says whether they are the same.
        late: whether it is called after the request that gave it was answered.

    Raises:
        UsageError: if they are not.
    """
    unchanged = getattr(compute, "unchanged", None)
    if unchanged is not None and not unchanged(late):
        when = "after a call, before its answer was computed anew" if late else "while its answer was computed"
        mend = "give a copy, or what cannot be changed, such as a tuple"
        raise UsageError(f"an argument that was changed {when}", "arguments that stay as they are", mend)
