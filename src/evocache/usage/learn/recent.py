"""The requests of the last while, which weights are evolved on."""

from __future__ import annotations

from collections import deque

from ..policies.policy import Item
from ..policies.trace import Trace

WINDOW = 4000
"""Requests that are remembered."""


class Recent:
    """Remembers the latest requests.

    Args:
        most: how many.
    """

    def __init__(self, most: int = WINDOW) -> None:
        self._requests: deque[tuple[int, int, float, int, int]] = deque(maxlen=most)

    def __len__(self) -> int:
        return len(self._requests)

    def note(self, item: Item) -> None:
        """Remember a request."""
        self._requests.append((item.key, item.size, item.seconds, item.owner, item.group))

    def trace(self) -> Trace:
        """Return the requests, in order."""
        key, size, seconds, owner, group = zip(*self._requests, strict=True)
        return Trace.of(key, size=size, seconds=seconds, owner=owner, group=group)

    def forget(self, owner: int) -> None:
        """Forget the requests of an owner."""
        kept = [request for request in self._requests if request[3] != owner]
        self._requests.clear()
        self._requests.extend(kept)
