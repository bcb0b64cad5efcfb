"""The tiers below memory: what outlives the process on its disk, and what machines share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..tiers.codecs.codec import Codecs
from ..tiers.tier import Stored, Tier
from ..tiers.write_behind import WriteBehind
from ..warner import Warner
from .entry import Question
from .names import Names

FILE = "answers.sqlite3"
"""Name of the file of a tier on the disk, in its folder."""


@dataclass(frozen=True)
class Found:
    """Holds an answer of a tier.

    Attributes:
        value: the answer.
        seconds: what computing it took.
        size: bytes that it takes in memory.
        ttl: seconds that it is fresh from now on; None for ever.
        tier: name of the tier.
    """

    value: Any
    seconds: float
    size: int
    ttl: float | None
    tier: str


class LowerTiers:
    """Asks one tier after the other, the nearest first, and writes answers to all of them, a moment later.

    What a tier of machines gives is written to the disk as well. A tier that fails is as good as empty.

    Args:
        tiers: the nearest first.
        names: of keys, owners and groups.
        codecs: write values.
        wall: seconds since 1970.
    """

    def __init__(
        self, tiers: Sequence[Tier], names: Names, codecs: Codecs, wall: Callable[[], float] = time.time
    ) -> None:
        self._tiers = [tier if isinstance(tier, WriteBehind) else WriteBehind(tier) for tier in tiers]
        self._names, self._codecs, self.wall = names, codecs, wall
        self._warner = Warner()
        self.hits: dict[str, int] = {}
        """Answers that were found, by name of the tier."""

    def __bool__(self) -> bool:
        return bool(self._tiers)

    def get(self, question: Question, ttl: float | None = None) -> Found | None:
        """Return the answer that the nearest tier has; None if none has it.

        Args:
            question: what is asked.
            ttl: seconds that an answer is fresh from when it was written, whatever was said then; None for what was.
        """
        if not self._tiers:
            return None
        key = self._names.digest(question.name)
        for place, tier in enumerate(self._tiers):
            stored = tier.get(key)
            if stored is None:
                continue
            ends = inf if stored.expires is None else stored.expires
            left = min(ends, inf if ttl is None else stored.created + ttl) - self.wall()
            if left <= 0:
                continue
            try:
                value = self._codecs.decode(stored.format, stored.payload)
            except UsageError as error:
                self._warner.warn(f"decode {stored.format}", f"an answer in a tier is passed over: {error}")
                continue
            for nearer in self._tiers[:place]:
                nearer.put_many([(key, stored)])
            name = tier.tier.name
            self.hits[name] = self.hits.get(name, 0) + 1
            return Found(value, stored.seconds, stored.size, None if left == inf else left, name)
        return None

    def put(self, question: Question, value: Any, seconds: float, size: int, ttl: float | None, began: float) -> None:
        """Write an answer to all tiers, a moment later; one of a kind that no codec writes stays in memory.

        Args:
            question: what was asked.
            value: the answer.
            seconds: what computing it took.
            size: bytes that it takes in memory.
            ttl: seconds that it is fresh from now on; None for ever.
            began: when computing it began: what was forgotten since then is not kept by a tier.
        """
        written = self._codecs.encode(value)
        if written is None:
            kind = type(value).__name__
            said = f"answers of type {kind} stay in memory: no codec writes them; try: codecs=(..., 'pickle')"
            self._warner.warn(f"encode {kind}", said)
            return
        format, payload = written
        now, digester = self.wall(), self._names.digester
        expires = None if ttl is None else now + ttl
        owner, group = digester.owner(question.owner), digester.group(question.group)
        stored = Stored(payload, format, seconds, size, now, expires, owner, group, began)
        key = self._names.digest(question.name)
        for tier in self._tiers:
            tier.put_many([(key, stored)])

    def delete(self, name: str | bytes) -> None:
        """Forget an answer."""
        if self._tiers:
            key = self._names.digest(name)
            for tier in self._tiers:
                tier.delete([key])

    def clear(self, owner: Hashable | None) -> None:
        """Forget the answers of an owner, or all."""
        for tier in self._tiers:
            tier.clear(None if owner is None else self._names.digester.owner(owner))

    def flush(self) -> None:
        """Wait until all is written."""
        for tier in self._tiers:
            tier.flush()

    def close(self) -> None:
        """Write what waits, and give disk and server back."""
        for tier in self._tiers:
            tier.close()
        self._tiers = []


def tiers_of(
    disk: str | os.PathLike[str] | Tier | None,
    shared: str | Tier | None,
    *,
    secret: bytes,
    tenant: str | None,
    disk_bytes: int,
    shared_bytes: int,
    durable: bool = False,
    wall: Callable[[], float] = time.time,
) -> list[Tier]:
    """Return the tiers that a user names, the nearest first.

    Args:
        disk: a folder, which is made if it is not there, or a tier.
        shared: the address of a server, or a tier.
        secret: the installation's.
        tenant: whose answers they are.
        disk_bytes: bytes of the tenant's answers on the disk.
        shared_bytes: the same on the server.
        durable: whether answers are to be written before they are given.
        wall: seconds since 1970.

    Raises:
        UsageError: if another secret wrote the folder; if answers are to be durable in memory alone.
        DependencyError: if the package valkey is missing.
    """
    if durable and disk is None and shared is None:
        mend = "name a folder, disk=..., or leave durable= out"
        raise UsageError("durable=True without a tier", "a disk or a server that answers are written to", mend)
    found: list[Tier] = []
    if isinstance(disk, Tier):
        found.append(disk)
    elif disk is not None:
        from ..tiers.disk import DiskTier

        found.append(DiskTier(Path(disk) / FILE, secret=secret, tenant=tenant, max_bytes=disk_bytes, clock=wall))
    if isinstance(shared, Tier):
        found.append(shared)
    elif shared is not None:
        from ..tiers.shared import SharedTier

        found.append(SharedTier(shared, secret=secret, tenant=tenant, max_bytes=shared_bytes, clock=wall))
    return found
