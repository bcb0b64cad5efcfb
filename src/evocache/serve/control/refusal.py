"""What is said to a request that is not let in."""

from __future__ import annotations

import math
from typing import Literal

from ...errors import Error

Reason = Literal["work", "share", "requests", "bytes", "quota", "deadline", "draining", "workers"]
"""Why: too much work waits; more than an even share of it is the owner's; too many requests, or bytes of them; a quota
of the key; a deadline that cannot be met; the server ends; it has no worker."""

LONGEST = 60.0
"""Seconds: clients that are told to come back later than that come back at once instead."""


class Refused(Error):  # noqa: N818 - what happened to the request, and no fault
    """A request that is not let in now.

    Args:
        reason: why, in a word.
        given: what was given.
        expected: what was expected instead.
        wait: predicted seconds until it would be let in; None if it never would be, as it is.
        status: of the answer: 429, or 503 where it is the server that is not ready.
    """

    def __init__(self, reason: Reason, given: str, expected: str, wait: float | None, status: int = 429) -> None:
        self.reason, self.wait, self.status = reason, wait, status
        if wait is None:
            mend = "ask for less"
        elif not self.should_retry:
            mend = f"try again in {wait / 60:.0f} minutes"
        else:
            mend = f"try again in {self.retry_after} s"
        super().__init__(given, expected, mend)

    def __reduce__(self) -> tuple[type[Refused], tuple[object, ...]]:  # type: ignore[override]
        return Refused, (self.reason, self.given, self.expected, self.wait, self.status)

    @property
    def retry_after(self) -> int:
        """Whole seconds after which it is worth trying again, from 1 to 60."""
        return math.ceil(min(LONGEST, max(1.0, LONGEST if self.wait is None else self.wait)))

    @property
    def should_retry(self) -> bool:
        """Whether the client may try again by itself: not where it would wait longer than clients do, or for ever."""
        return self.wait is not None and self.wait <= LONGEST
