"""Results in a learning cache of each tenant: in memory, on the disk, on a server that machines share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...usage.cache.learning_cache import LearningCache
from ...usage.cache.tenants import Tenants
from ..requests.answer import Answer
from ..workers.task import Picture
from .keys import Question
from .settings import LEAST, ReuseSettings
from .stored import StoredResult

log = logging.getLogger("evocache.serve")

INLINE = 64 << 10
"""Bytes of a file that is read at once: starting a thread takes longer."""


@dataclass(frozen=True)
class Found:
    """A result that was stored.

    Attributes:
        picture: what was made.
        stored: what is known of it.
        tier: where it was: `memory`, or below.
        seconds: that looking for it took.
    """

    picture: Picture
    stored: StoredResult
    tier: str
    seconds: float


class Results:
    """Keeps one result of each question; learns which ones are worth their bytes, for each tenant by itself.

    Args:
        settings: how much is kept.
        secret: the installation's.
        folder: for the tier on the disk; None for none.
        shared: URL of the server that machines share; None for none.
    """

    def __init__(
        self, settings: ReuseSettings, secret: bytes, folder: Path | None = None, shared: str | None = None
    ) -> None:
        below: dict[str, Any] = {"disk": folder, "shared": shared}
        tenants = LEAST if settings.tenants is None else settings.tenants
        rooms = {"disk_bytes": settings.disk, "shared_bytes": settings.disk}
        self._tenants = Tenants(settings.memory, tenants, secret=secret, **below, **rooms)

    async def find(self, question: Question, good: Callable[[str], bool]) -> Found | None:
        """Return the result of a question; None if there is none, or none that is good enough.

        Args:
            question: what is asked.
            good: says of the label of a point whether a result of it is good enough.
        """
        began = time.perf_counter()
        cache = await self._cache(question.tenant)
        if cache is None:
            return None
        tier = "memory" if question.name in cache else "below"
        content = await cache.aget(question.name, owner=question.owner or None)
        if content is None:
            return None
        try:
            stored = StoredResult.from_bytes(content)
            if not good(stored.point):
                return None
            small = len(stored.file) <= INLINE
            picture = stored.picture if small else await asyncio.to_thread(lambda: stored.picture)
        except (ValueError, OSError) as error:
            log.warning("a result that is stored cannot be read, and is made anew: %s", error)
            return None
        return Found(picture, stored, tier, time.perf_counter() - began)

    async def keep(self, question: Question, answer: Answer) -> int:
        """Store a result; return the bytes that it takes, 0 if nothing is stored."""
        cache = await self._cache(question.tenant)
        if cache is None:
            return 0
        return await asyncio.to_thread(_keep, cache, question, answer)

    async def forget(self, question: Question) -> None:
        """Forget what is stored of a question, in all tiers."""
        await asyncio.to_thread(self._tenants.invalidate, question.tenant, question.name)

    async def _cache(self, tenant: str) -> LearningCache | None:
        if tenant in self._tenants:
            return self._tenants[tenant]
        return await asyncio.to_thread(self._tenants.of, tenant)

    def figures(self) -> dict[str, int]:
        """Return how many results are in memory, and their bytes."""
        caches = [cache.stats for cache in self._tenants.values()]
        return {"results": sum(one.entries for one in caches), "bytes": sum(one.bytes for one in caches)}

    async def close(self) -> None:
        """Write what is to be written."""
        await asyncio.to_thread(self._tenants.close)


def _keep(cache: LearningCache, question: Question, answer: Answer) -> int:
    stored = StoredResult.of(answer.picture, answer.account)
    content = stored.to_bytes()
    cache.put(question.name, content, owner=question.owner or None, group=question.group, seconds=stored.seconds)
    return len(content)
