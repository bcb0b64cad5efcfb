"""A mapping that forgets what was not used for longest; threads may share one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LRU(Generic[Key, Value]):
    """Keeps the values that were used last.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: dict[Key, Value] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    def __setitem__(self, key: Key, value: Value) -> None:
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = value
            while len(self._values) > self.most:
                self._values.pop(next(iter(self._values)))

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, which counts as used; None if it is not there."""
        with self._lock:
            if key not in self._values:
                return None
            value = self._values[key] = self._values.pop(key)
            return value

    def get_or_make(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of a key, which counts as used.

        It is made now if it is not there; where threads meet, perhaps twice.
        """
        with self._lock:
            if key in self._values:
                value = self._values[key] = self._values.pop(key)
                return value
        value = self[key] = make()
        return value

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._values.clear()
