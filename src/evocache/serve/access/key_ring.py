"""Keys as requests are let in by: all of them in memory, read again from the database where they changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from ..control.rates import Quota
from ..control.shares import Owner
from ..requests.identity import Identity
from .key import ApiKey, hash_secret
from .key_store import KeyStore, Stamp

FRESH = 2.0
"""Seconds after which it is looked whether keys changed: one that is revoked lets nobody in after that."""

LONGEST = 512
"""Most characters of a secret; longer ones are not even hashed."""


class KeyRing:
    """Tells who holds a secret. Its methods are called in one loop; the database is read in a thread, once for all.

    Secrets that are unknown, revoked or over are answered alike, in the same steps, and none of them asks the database:
    whoever guesses keeps nobody else waiting.

    Args:
        store: of keys; None where the server has no database, and thus no keys.
        fresh: seconds after which it is looked whether keys changed.
        clock: seconds that only grow.
    """

    def __init__(
        self, store: KeyStore | None, *, fresh: float = FRESH, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._fresh, self._clock = store, fresh, clock
        self._keys: Mapping[bytes, ApiKey] = {}
        self._quotas: Mapping[tuple[str, str], Quota] = {}
        self._stamp: Stamp | None = None
        self._looked = -float("inf")
        self._turn = asyncio.Lock()

    async def locked(self) -> bool:
        """Return whether a secret is needed: there is a key, or there was one.

        Raises:
            StoreError: if the database cannot be read; then nobody is let in.
        """
        await self._look()
        return bool(self._keys)

    async def identify(self, secret: str) -> Identity | None:
        """Return who holds a secret; None if nobody does.

        Raises:
            StoreError: if the database cannot be read; then nobody is let in.
        """
        await self._look()
        if self._store is None or len(secret) > LONGEST:
            return None
        key = self._keys.get(hash_secret(secret))
        return key.identity if key is not None and key.is_valid(self._store.clock()) else None

    def quota(self, owner: Owner) -> Quota:
        """Return what an owner's key may ask for; anything where it is unknown, as it is where there are no keys."""
        return self._quotas.get(owner.account, Quota())

    async def _look(self) -> None:
        """Read keys that changed, if the last look is too long ago; who comes meanwhile waits for that one."""
        store = self._store
        if store is None or self._clock() < self._looked + self._fresh:
            return
        async with self._turn:
            now = self._clock()
            if now < self._looked + self._fresh:
                return
            stamp = await asyncio.to_thread(store.stamp)
            if stamp != self._stamp:
                self._keys = await asyncio.to_thread(store.by_hash)
                self._quotas = {(key.tenant, key.id): key.quota for key in self._keys.values()}
                self._stamp = stamp
            self._looked = now
