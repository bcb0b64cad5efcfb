"""Caches of tenants: each has a fixed part of the bytes, and nothing in common with the others."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from ...display import Displayed
from ...errors import UsageError, short
from ...units import in_bytes
from ..tiers import forks
from ..warner import Warner
from .learning_cache import LearningCache
from .names import checked_tenant


class Tenants(Mapping[str, LearningCache], Displayed):
    """Holds a cache a tenant, made when a tenant first asks; its part of the bytes does not depend on the others.

    Args:
        max_bytes: bytes of all together.
        most: how many tenants have room; each has an equal part.
        settings: of the caches, as of `LearningCache`.

    Raises:
        AmountError: if the bytes are none.
        UsageError: if there is room for no tenant; if the settings are none.
    """

    def __init__(self, max_bytes: int | str, most: int, **settings: Any) -> None:
        if not isinstance(most, int) or most < 1:
            raise UsageError(f"tenants={short(most)}", "a number from 1", "say how many tenants have room")
        self.max_bytes, self.most = in_bytes(max_bytes) // most, most
        self._settings = settings
        self._try()
        self._caches: dict[str, LearningCache] = {}
        self._lock = threading.Lock()
        self._warner = Warner()
        forks.watch(self)

    def _try(self) -> None:
        """Make a cache in memory that nobody uses, so that wrong settings are refused now, not at the first request."""
        left = {"disk", "shared", "upkeep"} & self._settings.keys()
        if any(self._settings.get(tier) is not None for tier in ("disk", "shared")):
            left |= {"durable"}
        settings = {name: value for name, value in self._settings.items() if name not in left}
        LearningCache(self.max_bytes, tenant="", upkeep=False, **settings).close()

    def before_fork(self) -> None:
        """Hold still, so that no cache is half made in a child process."""
        self._lock.acquire()

    def after_fork(self, child: bool) -> None:
        """Go on."""
        self._lock.release()

    def of(self, tenant: Any) -> LearningCache | None:
        """Return the cache of a tenant; None where as many have one as there is room for, which a warning says once.

        Raises:
            UsageError: if the tenant is no text.
        """
        name = checked_tenant(tenant)
        if name is None:
            given = "a request without a tenant (tenant=None)"
            raise UsageError(given, "the name of one, as a text", "name the tenant in each call, or leave tenant= out")
        found = self._caches.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._caches:
                if len(self._caches) >= self.most:
                    self._warner.warn("full", f"there is room for {self.most} tenants; what others ask is not cached")
                    return None
                self._caches[name] = LearningCache(self.max_bytes, tenant=name, **self._settings)
            return self._caches[name]

    def __getitem__(self, tenant: str) -> LearningCache:
        return self._caches[tenant]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._caches))

    def __len__(self) -> int:
        return len(self._caches)

    def clear(self, owner: Hashable | None = None) -> None:
        """Forget all answers of all tenants; with an owner, those that were computed for that one."""
        for cache in list(self._caches.values()):
            cache.clear(owner)

    def close(self) -> None:
        """Write what is to be written, and let the tiers below go."""
        for cache in list(self._caches.values()):
            cache.close()

    def __str__(self) -> str:
        return "\n\n".join(str(cache) for cache in self._caches.values()) or "no tenant so far"
