"""Keys as requests are let in by: looked up in memory, and read again from the database after a few seconds."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ..control.rates import Quota
from ..control.shares import Owner
from ..requests.identity import Identity
from .key import ApiKey, hash_secret
from .key_store import KeyStore

FRESH = 2.0
"""Seconds that what was read counts: a key that is revoked lets nobody in after that."""

KNOWN = 4096
"""Secrets that are remembered, valid or not; the one that was used the longest time ago is forgotten."""

LONGEST = 512
"""Most characters of a secret; longer ones are not even hashed."""


@dataclass(frozen=True)
class _Read:
    key: ApiKey | None
    until: float


class KeyRing:
    """Tells who holds a secret. Its methods are called in one loop; the database is read in threads.

    Secrets that are unknown, revoked or over are answered alike, in the same steps.

    Args:
        store: of keys; None where the server has no database, and thus no keys.
        fresh: seconds that what was read counts.
        clock: seconds that only grow.
    """

    def __init__(
        self, store: KeyStore | None, *, fresh: float = FRESH, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._fresh, self._clock = store, fresh, clock
        self._read: OrderedDict[bytes, _Read] = OrderedDict()
        self._quotas: OrderedDict[tuple[str, str], Quota] = OrderedDict()
        self._locked = False
        self._looked = -float("inf")

    async def locked(self) -> bool:
        """Return whether a secret is needed: there is a key, or there was one."""
        now = self._clock()
        if not self._locked and self._store is not None and now >= self._looked + self._fresh:
            self._locked = await asyncio.to_thread(self._store.any)
            self._looked = now
        return self._locked

    async def identify(self, secret: str) -> Identity | None:
        """Return who holds a secret; None if nobody does.

        Raises:
            StoreError: if the database cannot be read; then nobody is let in.
        """
        if self._store is None or len(secret) > LONGEST:
            return None
        hashed, now = hash_secret(secret), self._clock()
        found = self._read.get(hashed)
        if found is None or now >= found.until:
            found = _Read(await asyncio.to_thread(self._store.find, hashed), now + self._fresh)
            self._keep(hashed, found)
        self._read.move_to_end(hashed)
        key = found.key
        return key.identity if key is not None and key.is_valid(self._store.clock()) else None

    def quota(self, owner: Owner) -> Quota:
        """Return what an owner's key may ask for; anything where it is unknown, as it is where there are no keys."""
        return self._quotas.get(owner.account, Quota())

    def _keep(self, hashed: bytes, found: _Read) -> None:
        self._read[hashed] = found
        while len(self._read) > KNOWN:
            self._read.popitem(last=False)
        if found.key is not None:
            account = found.key.tenant, found.key.id
            self._quotas[account] = found.key.quota
            self._quotas.move_to_end(account)
            while len(self._quotas) > KNOWN:
                self._quotas.popitem(last=False)
