"""Caches of tenants: each has a fixed part of the bytes, and nothing in common with the others."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...display import Displayed
from ...errors import UsageError, short
from ...units import in_bytes
from ..policies.policy import EvictionPolicy
from ..tiers import forks
from ..tiers.tier import Tier
from ..warner import Warner
from .learning_cache import LearningCache
from .names import checked_tenant

BELOW = ("disk", "shared", "disk_bytes", "shared_bytes", "secret", "clock", "wall")
"""Settings of a cache that say where the tiers below are."""


def _named(tenant: Any) -> str:
    name = checked_tenant(tenant)
    if name is None:
        given = "a request without a tenant (tenant=None)"
        raise UsageError(given, "the name of one, as a text", "name the tenant in each call, or leave tenant= out")
    return name


class Tenants(Mapping[str, LearningCache], Displayed):
    """Holds a cache a tenant, made when a tenant first asks; its part of the bytes does not depend on the others.

    Args:
        max_bytes: bytes of all together.
        most: how many tenants have room; each has an equal part.
        settings: of the caches, as of `LearningCache`; `disk_bytes` and `shared_bytes` are of each tenant.

    Raises:
        AmountError: if `max_bytes` is no amount of memory, such as `-1` or `"much"`.
        UsageError: if `most` is below 1; if the settings are wrong.
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
        if isinstance(policy := self._settings.get("policy"), EvictionPolicy):
            mend = f'give its name, policy="{policy.name}", or leave it out'
            raise UsageError("a policy object for many tenants", "one for each: tenants share nothing", mend)
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
        name = _named(tenant)
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

    def invalidate(self, tenant: Any, key: Hashable) -> bool:
        """Forget a key of a tenant in all tiers, and return whether it was held in memory.

        A tenant without room is reached on the disk and the server alike, and gets no room by that.

        Raises:
            UsageError: if the tenant is no text.
        """
        with self._reached(tenant) as cache:
            return cache is not None and cache.invalidate(key)

    def clear(self, owner: Hashable | None = None, *, tenant: Any = None) -> None:
        """Forget all answers of all tenants that have room, or of one; with an owner, those that were for that one.

        A tenant that is named is reached on the disk and the server though it has no room, and gets none by that.

        Raises:
            UsageError: if the tenant is no text; if a tier cannot be used, so that answers may still be there.
        """
        if tenant is not None:
            with self._reached(tenant) as cache:
                if cache is not None:
                    cache.clear(owner)
            return
        for cache in list(self._caches.values()):
            cache.clear(owner)

    @contextmanager
    def _reached(self, tenant: Any) -> Iterator[LearningCache | None]:
        """Give the cache of a tenant; of one without room a passing one over its tiers, or none without tiers."""
        name = _named(tenant)
        found = self._caches.get(name)
        below = {setting: self._settings[setting] for setting in BELOW if self._settings.get(setting) is not None}
        if found is not None or not below.keys() & {"disk", "shared"}:
            yield found
            return
        passing = LearningCache(self.max_bytes, tenant=name, policy="lru", upkeep=False, **below)
        try:
            yield passing
        finally:
            if not any(isinstance(setting, Tier) for setting in below.values()):  # those of their user stay open
                passing.close()

    def close(self) -> None:
        """Write what is to be written, and let the tiers below go."""
        for cache in list(self._caches.values()):
            cache.close()

    def __str__(self) -> str:
        return "\n\n".join(str(cache) for cache in self._caches.values()) or "no tenant so far"
