"""What is noted of a request of HTTP while it is answered, for its line in the log, its metrics and its trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from .outcome import Outcome


@dataclass
class Notes:
    """Notes of one request.

    Attributes:
        id: of the request, as its answer has it.
        method: of HTTP.
        route: the pattern of its path; a path itself may hold what its sender likes.
        status: of the answer; 0 if none was begun.
        code: of the error that was answered.
        outcomes: of the generations that it asked for.
    """

    id: str
    method: str = ""
    route: str = ""
    status: int = 0
    code: str = ""
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def points(self) -> str:
        """Points of fronts that it got."""
        return ",".join(sorted({account.point for one in self.outcomes for account in one.accounts}))

    @property
    def reuse(self) -> str:
        """Kinds of reuse of what it got."""
        return ",".join(sorted({account.reuse for one in self.outcomes for account in one.accounts}))


_NOTES: ContextVar[Notes | None] = ContextVar("evocache_request", default=None)


def notes() -> Notes | None:
    """Return the notes of the request that is answered here; None outside of one."""
    return _NOTES.get()


@contextmanager
def noting(of: Notes) -> Iterator[Notes]:
    """Have `notes()` be these within the block, and in tasks that begin there."""
    token = _NOTES.set(of)
    try:
        yield of
    finally:
        _NOTES.reset(token)
