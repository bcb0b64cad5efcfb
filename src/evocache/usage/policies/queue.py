"""A dict whose oldest key leaves first, in half of the bytes of an `OrderedDict`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Queue(Generic[Value]):
    """Holds values by key, in the order in which they came.

    The order is a row of keys. A key that is taken out of the middle leaves its place in the row void, which is skipped
    when its turn comes; where most places are void the row is written anew.
    """

    def __init__(self) -> None:
        self._held: dict[int, Value] = {}
        self._row: deque[int] = deque()
        self._void: dict[int, int] = {}
        """How many of a key's places, the oldest ones, are void."""

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: int) -> Value | None:
        """Return the value of a key; None if it is not held."""
        return self._held.get(key)

    def put(self, key: int, value: Value) -> None:
        """Hold the value of a key that is not held, as the youngest."""
        self._held[key] = value
        self._row.append(key)

    def pop(self, key: int) -> Value | None:
        """Take a key out, wherever it stands, and return its value; None if it is not held."""
        value = self._held.pop(key, None)
        if value is not None:
            self._void[key] = self._void.get(key, 0) + 1
            if len(self._row) > 2 * len(self._held) + 64:
                self._row = deque(key for key, _ in self.items())
                self._void.clear()
        return value

    def pop_oldest(self) -> tuple[int, Value]:
        """Take the oldest key out, and return it with its value.

        Raises:
            IndexError: if nothing is held.
        """
        while True:
            key = self._row.popleft()
            void = self._void.pop(key, 0)
            if not void:
                return key, self._held.pop(key)
            if void > 1:
                self._void[key] = void - 1

    def items(self) -> Iterator[tuple[int, Value]]:
        """Yield keys and values, the oldest first."""
        void = dict(self._void)
        for key in self._row:
            if void.get(key, 0):
                void[key] -= 1
            else:
                yield key, self._held[key]
