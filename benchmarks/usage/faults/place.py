"""A tier and the records beside it, as the process that is killed and the one that looks afterwards open them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import valkey

from evocache import LearningCache
from evocache.usage.records.open_store import open_store
from evocache.usage.records.recorder import Recorder
from evocache.usage.records.retention import Retention
from evocache.usage.tiers.disk import DiskTier
from evocache.usage.tiers.shared import SharedTier
from evocache.usage.tiers.tier import Tier

SECRET = b"benchmark secret" * 2
PATIENCE = 30
"""Seconds that a busy disk or server is waited for: what is tested here are killed processes, not slow machines."""

FOREVER = Retention(None, None, None)

FILE, RECORDS = "answers.sqlite3", "usage.sqlite3"
"""Names of files in the folder of a place."""


@dataclass(frozen=True)
class Place:
    """Says where answers are kept, and where their requests are recorded.

    Attributes:
        name: of the place, and of its tenant.
        tier: `disk` or `shared`.
        folder: of the disk tier, and of records that are in SQLite.
        port: of the Valkey server on this machine, for the shared tier.
        records: URL of Postgres; a file in the folder if empty.
        max_bytes: bytes that answers may take in the tier.
        tight: whether answers leave to make room.
    """

    name: str
    tier: str
    folder: str
    port: int = 0
    records: str = ""
    max_bytes: int = 1 << 32
    tight: bool = False

    @property
    def where(self) -> str:
        """The file or URL of the records."""
        return self.records or str(Path(self.folder) / RECORDS)

    def client(self) -> valkey.Valkey:
        """Return a client of the server."""
        return valkey.Valkey(host="127.0.0.1", port=self.port, socket_timeout=PATIENCE)

    def open_tier(self, stack: ExitStack) -> Tier:
        """Return the tier; the stack closes what it stands on."""
        options: dict[str, Any] = {"secret": SECRET, "tenant": self.name, "max_bytes": self.max_bytes}
        if self.tier == "shared":
            return SharedTier(stack.enter_context(self.client()), **options)
        return DiskTier(Path(self.folder) / FILE, busy_seconds=PATIENCE, **options)


def to_json(places: list[Place]) -> str:
    """Return places as an argument of a program."""
    return json.dumps([asdict(place) for place in places])


def from_json(text: str) -> list[Place]:
    """Return the places of an argument."""
    return [Place(**one) for one in json.loads(text)]


class Opened:
    """Holds a cache over a place's tier, with what lies below it.

    Args:
        place: the place.
        durable: whether answers are kept before they are given.
        recorded: whether requests are recorded.

    Attributes:
        cache: the cache.
        tier: its tier.
    """

    def __init__(self, place: Place, *, durable: bool = False, recorded: bool = True) -> None:
        self._stack = ExitStack()
        self.tier = place.open_tier(self._stack)
        self._recorder = Recorder(lambda: open_store(place.where, retention=FOREVER)) if recorded else None
        self.cache = LearningCache(
            "1MB",
            secret=SECRET,
            tenant=place.name,
            records=self._recorder,
            durable=durable,
            **{place.tier: self.tier},
        )
        if self._recorder is not None:
            self._stack.callback(self._recorder.close)
        self._stack.callback(self.cache.close)

    def check(self) -> None:
        """Raise where disk or server failed: what is said to be kept is kept as far as these work."""
        figures, recorder = self.tier.figures, self._recorder
        if figures.failures or figures.dropped:
            raise RuntimeError(f"the tier failed: {figures}")
        if recorder is not None and (recorder.problem or recorder.dropped):
            raise RuntimeError(f"{recorder.dropped} records were dropped: {recorder.problem}")

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()


def key(number: int) -> str:
    """Return the key of a question by its number."""
    return f"question {number}"


def answer(number: int) -> list[str]:
    """Return the answer to a question, of 100 to 10,000 bytes, by its number."""
    draw = Random(number)
    return [key(number), draw.randbytes(draw.randrange(50, 5000)).hex()]
