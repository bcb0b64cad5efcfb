"""A clock that is set, a tier in memory, and entries."""

from __future__ import annotations

from collections.abc import Iterable

from evocache.usage.tiers.tier import REMEMBERED, SKEW, Stored, Tier

SECRET = bytes(range(32))


class Clock:
    """Seconds since 1970 that a test sets."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class MemoryTier(Tier):
    """What the contract means, in a dict; the smallest saving a byte leaves."""

    name = "memory"

    def __init__(self, max_bytes: int, clock: Clock) -> None:
        super().__init__(max_bytes)
        self._clock = clock
        self._entries: dict[bytes, Stored] = {}
        self._forgotten: dict[bytes | None, float] = {}

    def get(self, key: bytes) -> Stored | None:
        stored = self._entries.get(key)
        found = stored is not None and not stored.over(self._clock())
        self.figures.hits += found
        self.figures.misses += not found
        return stored if found else None

    def put_many(self, entries: Iterable[tuple[bytes, Stored]]) -> int:
        taken = 0
        for key, stored in entries:
            if len(stored.payload) > self.max_bytes:
                self.figures.dropped += 1
                continue
            times = [self._forgotten.get(name, 0.0) for name in (key, None)]
            if any(stored.since < time <= self._clock() + SKEW and time > self._clock() - REMEMBERED for time in times):
                self.figures.dropped += 1
                continue
            self._entries.pop(key, None)
            self._entries[key] = stored
            self.figures.stored += 1
            taken += 1
            while self.bytes > self.max_bytes:
                least = min(self._entries, key=lambda key: self._entries[key].seconds / len(self._entries[key].payload))
                del self._entries[least]
                self.figures.evicted += 1
        return taken

    def delete(self, keys: Iterable[bytes]) -> int:
        names = list(keys)
        self._forgotten.update(dict.fromkeys(names, self._clock()))
        return self._drop(names)

    def _drop(self, keys: Iterable[bytes]) -> int:
        return sum(self._entries.pop(key, None) is not None for key in keys)

    def clear(self, owner: bytes | None = None) -> int:
        if owner is None:
            self._forgotten = {None: self._clock()}
        return self._drop([key for key, stored in self._entries.items() if owner in (None, stored.owner)])

    def expire(self) -> int:
        return self._drop([key for key, stored in self._entries.items() if stored.over(self._clock())])

    @property
    def bytes(self) -> int:
        return sum(len(stored.payload) for stored in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None: ...


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def entry(
    payload: bytes = b"answer",
    seconds: float = 1.0,
    created: float = 1_800_000_000.0,
    expires: float | None = None,
    owner: bytes = b"",
    format: str = "bytes",
    began: float | None = None,
) -> Stored:
    return Stored(payload, format, seconds, len(payload), created, expires, owner, b"group", began)
