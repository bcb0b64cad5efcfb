"""Deadlines: what a request's is, which level meets it, and whether its owner may go before others for it."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import Error, short

MARGIN = 0.95
"""Share of the time a client waits that an answer may take: the rest is for the way."""

NEAR = 2.0
"""A task goes first from when its deadline leaves it so many times its predicted work, until that deadline is past."""

LEAD = 2.0
"""Generations by which an owner may be ahead of who has had least, and still go before others for a deadline."""

LONGEST = 7 * 86400.0
"""Seconds of the longest deadline."""


def read_deadline(deadline_ms: object = None, read_timeout: object = None) -> float | None:
    """Return seconds until a request should have ended; None if it may take any.

    Args:
        deadline_ms: what it asks for, in milliseconds.
        read_timeout: seconds that its client will wait, as its header says (`x-stainless-read-timeout`); counts where
            nothing is asked for, and is left out if it is no number of seconds.

    Raises:
        Error: if the deadline is no number of milliseconds above 0.
    """
    if deadline_ms is not None:
        seconds = _number(deadline_ms)
        if seconds is None or isinstance(deadline_ms, str):
            raise Error(f"deadline_ms {short(deadline_ms)}", "a number of milliseconds above 0", "try deadline_ms=5000")
        return min(seconds / 1000.0, LONGEST)
    waits = _number(read_timeout)
    return None if waits is None else min(waits * MARGIN, LONGEST)


def _number(value: object) -> float | None:
    """A number, or a text of one, above 0 and below infinity; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None


def level_for(left: float, ends: Sequence[float]) -> int | None:
    """Return the best level that a deadline allows; None if none does.

    Args:
        left: seconds until the deadline.
        ends: predicted seconds until the end at each level, the best first.
    """
    return next((level for level, end in enumerate(ends) if end <= left), None)


def is_near(left: float | None, work: float) -> bool:
    """Return whether a deadline is near, and not past: what cannot be in time any more waits as all do.

    Args:
        left: seconds until it; None if there is none.
        work: predicted seconds of the task.
    """
    return left is not None and 0 < left <= NEAR * work


def may_hurry(lead: float, generation: float) -> bool:
    """Return whether an owner may go before others for a deadline: not for ever before everybody's share.

    Args:
        lead: seconds that it has had more than who has had least (`Shares.ahead`).
        generation: seconds of an uncached one.
    """
    return lead <= LEAD * generation
