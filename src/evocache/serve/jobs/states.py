"""States of a job, and which follows which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

State = Literal["queued", "running", "done", "failed"]
"""A job that was deleted has none: nothing is left of it."""

CallState = Literal["running", "done", "failed", "cancelled", "interrupted"]
"""A plain call's: it is `interrupted` if its server died, and is not run again."""

FOLLOW: Mapping[State, frozenset[State]] = {
    "queued": frozenset({"running", "failed"}),
    "running": frozenset({"queued", "done", "failed"}),
    "done": frozenset(),
    "failed": frozenset(),
}
"""A running job goes back to the queue when its worker, or its server, ended before it."""

OPEN: tuple[State, ...] = ("queued", "running")
"""States that another follows."""
