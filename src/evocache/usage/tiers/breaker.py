"""When something that failed is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...errors import printable
from ...user_warnings import warn


class Breaker:
    """Leaves alone what failed, for a second first, twice as long each time it fails again, a minute at the most.

    Args:
        what: what it is, for the warning at the beginning of each time that it is off.
        clock: seconds.
        first: seconds until it is tried again.
        most: the most seconds until then.
    """

    def __init__(
        self, what: str, *, clock: Callable[[], float] = time.monotonic, first: float = 1.0, most: float = 60.0
    ) -> None:
        self._what = what
        self._clock = clock
        self._first, self._most = first, most
        self._wait = 0.0
        self._until = 0.0

    @property
    def open(self) -> bool:
        """Whether it is to be left alone now."""
        return self._wait > 0 and self._clock() < self._until

    def failed(self, why: str) -> None:
        """Leave it alone for a while; the first failure after it worked is warned of."""
        fresh = self._wait == 0
        self._wait = self._first if fresh else min(2 * self._wait, self._most)
        self._until = self._clock() + self._wait
        if fresh:
            told = f"{self._what} is off: {printable(why)}; answers are computed as if it were empty, and it is tried"
            warn(f"{told} again in {self._wait:g} s and later")

    def worked(self) -> None:
        """Note that it works."""
        self._wait = 0.0
