"""The shared tier: a Valkey or Redis server that processes and machines share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from ...errors import UsageError
from ...extras import optional
from ...user_warnings import warn
from ..keys.digest import Digester
from .breaker import Breaker
from .scripts import CLEAR, DELETE, EXPIRE, GET, PUT
from .seal import Seal
from .tier import MOST_REMEMBERED, REMEMBERED, SKEW, Stored, Tier, not_cleared

DAYS = 30
"""Days after which the server forgets what nobody put again, even without an end of its own."""

OWN = 256
"""Bytes that an entry takes beside its content, about: names, scores, its place in indices."""

BATCH = 100
"""Entries that are sent in one step, in which the server does nothing else."""

BATCH_BYTES = 1 << 20
"""Bytes after which no further entry is sent in one step: a step has to be done within the timeout."""

NEVER = frozenset({"pickle"})
"""Formats that are neither written nor read here: others write to the server as well."""


class SharedTier(Tier):
    """Entries on a server, sealed: what was changed there, or written by who lacks the secret, is not an entry.

    The bound of bytes is kept by the server at each put, over what content and names take; it counts entries that the
    server itself let go (its own `maxmemory`) until they would have ended. Content is not encrypted.

    Args:
        server: a URL such as `"valkey://host:6379/0"`, or a client of the package `valkey`, which brings its own
            timeouts.
        secret: the secret, the same on all machines that share.
        max_bytes: bytes of this tenant's entries.
        tenant: whose they are.
        clock: seconds since 1970.
        breaker: says when a server that failed is tried again.
        timeout: seconds that the server has to answer; an entry of tens of megabytes takes more.

    Raises:
        DependencyError: if the package `valkey` is not installed.
        UsageError: if the client does not give bytes.
    """

    name = "shared"

    def __init__(
        self,
        server: Any,
        *,
        secret: bytes,
        max_bytes: int,
        tenant: str | None = None,
        clock: Callable[[], float] = time.time,
        breaker: Breaker | None = None,
        timeout: float = 0.2,
    ) -> None:
        super().__init__(max_bytes)
        valkey = optional("valkey")
        digest = Digester(secret, tenant).tenant
        if isinstance(server, str):
            once = optional("valkey.retry").Retry(optional("valkey.backoff").NoBackoff(), 0)
            server = valkey.Valkey.from_url(server, socket_timeout=timeout, socket_connect_timeout=timeout, retry=once)
            self._owned = True
        else:
            self._owned = False
            if server.get_connection_kwargs().get("decode_responses"):
                given = "a client that decodes what the server answers"
                raise UsageError(given, "one that gives bytes", "make it with decode_responses=False")
        self._server = server
        self._errors = (valkey.ValkeyError, OSError)
        self._prefix = f"evocache:{{{digest.hex()}}}:"
        self._seal = Seal(secret, digest)
        self._clock = clock
        self._breaker = breaker or Breaker("the shared cache")
        self._scripts = {text: server.register_script(text) for text in (GET, PUT, DELETE, CLEAR, EXPIRE)}

    def get(self, key: bytes) -> Stored | None:
        """Return an entry; one that is not sealed is deleted, and the first is warned of."""
        content = self._run(GET, key.hex(), other=None)
        stored = None if content is None else self._seal.unpack(key, content)
        if content is not None and stored is None:
            self._delete([key], "")
            self.figures.damaged += 1
            if self.figures.damaged == 1:
                told = "an entry of the shared cache is damaged, or was written with another secret, and was deleted"
                warn(f"{told}; try: give all machines the same secret")
        if stored is None or stored.format in NEVER or stored.over(self._clock()):
            self.figures.misses += 1
            return None
        self.figures.hits += 1
        return stored

    def put_many(self, entries: Iterable[tuple[bytes, Stored]]) -> int:
        """Send entries in steps of a hundred or a megabyte; those larger than the tier, and pickles, are dropped."""
        given = list(entries)
        now = self._clock()
        parts = [part for key, stored in given if (part := self._part(key, stored, now))]
        taken = 0
        for batch in _batches(parts):
            flat = [value for part in batch for value in part]
            about = now, self.max_bytes, DAYS * 86_400_000, now - REMEMBERED, now + SKEW
            done = self._run(PUT, *about, *flat, other=None)
            if done is None:
                break
            gone, refused = done
            taken += len(batch) - refused
            self.figures.evicted += gone
        self.figures.stored += taken
        self.figures.dropped += len(given) - taken
        return taken

    def _part(self, key: bytes, stored: Stored, now: float) -> tuple[Any, ...] | None:
        """Arguments of an entry; none for one that is not taken."""
        room = len(stored.payload) + OWN
        left = DAYS * 86_400.0 if stored.expires is None else min(stored.expires - now, DAYS * 86_400.0)
        if stored.format in NEVER or room > self.max_bytes or left <= 0:
            return None
        content, owner = self._seal.pack(key, stored), stored.owner.hex()
        figures = repr(float(stored.seconds)), owner, max(1, int(left * 1000)), now + left, stored.since
        return key.hex(), content, room, *figures

    def delete(self, keys: Iterable[bytes]) -> int:
        """Delete entries and what the indices say of them."""
        return self._delete(keys, self._clock())

    def _delete(self, keys: Iterable[bytes], now: float | Literal[""]) -> int:
        """Delete entries, which is remembered as of a time, or not at all."""
        names, about = [key.hex() for key in keys], (now, REMEMBERED, MOST_REMEMBERED)
        parts = (names[begin : begin + BATCH] for begin in range(0, len(names), BATCH))
        return sum(self._run(DELETE, *about, *part, other=0) for part in parts)

    def clear(self, owner: bytes | None = None) -> int:
        """Delete an owner's entries by the owner's index, or all; the server does a thousand at a time.

        Raises:
            UsageError: if the server cannot be used, so that they may still be there.
        """
        total, more = 0, 1
        while more:
            name = "" if owner is None else owner.hex()
            answer = self._run(CLEAR, name, self._clock(), int(1000 * REMEMBERED), other=None)
            if answer is None:
                raise not_cleared(self.name)
            gone, more = answer
            total += gone
        if owner is None and not self._guard(self._sweep, False):
            raise not_cleared(self.name)
        return total

    def _sweep(self) -> bool:
        """Delete what the indices do not know, such as after the server lost them."""
        for name in self._server.scan_iter(match=f"{self._prefix}*", count=1000):
            if name != f"{self._prefix}cleared".encode():
                self._server.unlink(name)
        return True

    def expire(self) -> int:
        """Forget in the indices what the server itself let go at its end."""
        total = gone = self._run(EXPIRE, self._clock(), other=0)
        while gone >= 1000:
            gone = self._run(EXPIRE, self._clock(), other=0)
            total += gone
        return int(total)

    @property
    def bytes(self) -> int:
        """Bytes of the tenant's entries, about."""
        return int(self._guard(lambda: self._server.hget(f"{self._prefix}state", "bytes"), None) or 0)

    def __len__(self) -> int:
        return int(self._guard(lambda: self._server.hlen(f"{self._prefix}about"), 0))

    def close(self) -> None:
        """Close the connections, unless the client was given."""
        if self._owned:
            self._server.close()

    def _run(self, script: str, *args: Any, other: Any) -> Any:
        return self._guard(lambda: self._scripts[script](keys=[self._prefix], args=args), other)

    def _guard(self, action: Callable[[], Any], other: Any) -> Any:
        """Return what the server answers, or something else where it does not."""
        if self._breaker.open:
            return other
        try:
            result = action()
        except self._errors as error:
            self.figures.failures += 1
            self._breaker.failed(f"{type(error).__name__}: {error}")
            return other
        self._breaker.worked()
        return result


def _batches(parts: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Entries in their order, so many together as go in one step."""
    batch: list[tuple[Any, ...]] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += len(part[1])
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
