"""The record of one request: figures and digests, no text unless its owner agreed to it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, TypeGuard

from ...errors import RecordError, short

VERSION = 1
"""Version of the events that this code writes."""

KINDS = ("hit", "joined", "near", "speculated", "stale", "miss", "shed", "failed", "skipped")
"""How a request was answered.

`hit`: from a stored result; `joined`: from one that was being computed for another request; `near`: begun from a
similar result; `speculated`: from a result that was computed before anybody asked; `stale`: from a stored result whose
time was over; `miss`: computed; `shed`: refused for load; `failed`: computing raised; `skipped`: the caller asked not
to use the cache.
"""

STORED = ("hit", "speculated", "stale")
"""Kinds that count as hits: answered from a stored result."""

WORD, DIGEST, STAGES, FEATURES, TEXT = 128, 64, 16, 64, 100_000
"""Most characters of a name, bytes of a digest, stages, features, characters of a text."""

_LARGEST = 2.0**43
"""Seconds: microseconds of it still fit into 64 bits, and are exact in a float."""


@dataclass(frozen=True, slots=True)
class Event:
    """What is known of one request. Times are rounded to microseconds.

    Attributes:
        time: seconds since 1970, when the request came.
        tenant: whose data it is.
        key: digest of the question; empty where nothing of it may be kept.
        kind: how it was answered, one of `KINDS`.
        owner: digest of who asked; empty where nobody is named.
        group: digest of what it is about; empty where it belongs to no group.
        context: id of what the quality of an answer depends on, such as a model and its settings.
        tier: which tier answered, such as `memory` or `disk`.
        seconds: by stage (`wait`, `compute`, `load`, ...), what it took; not to be altered.
        size: bytes of the answer.
        saved: seconds of computing that were saved.
        policy: name of the policy that decided what was kept.
        features: small whole numbers that the policy saw.
        seeded: the request named a seed, so that only the very same answer will do.
        quality: of the answer, where a sample of it was measured.
        text: the question itself, only where its owner agreed to it.

    Raises:
        RecordError: if a value is not one of these.
    """

    time: float
    tenant: str
    key: bytes
    kind: str
    owner: bytes = b""
    group: bytes = b""
    context: str = ""
    tier: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict, hash=False)
    size: int = 0
    saved: float = 0.0
    policy: str = ""
    features: tuple[int, ...] = ()
    seeded: bool = False
    quality: float | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.kind not in KINDS:
            raise _refused("kind", self.kind, f"one of {', '.join(KINDS)}")
        put(self, "time", _seconds("time", self.time))
        put(self, "saved", _seconds("saved", self.saved))
        for name in ("tenant", "context", "tier", "policy"):
            check_word(name, getattr(self, name))
        for name in ("key", "owner", "group"):
            _digest(name, getattr(self, name))
        if not isinstance(self.seconds, Mapping) or len(self.seconds) > STAGES:
            raise _refused("seconds", self.seconds, f"seconds by stage, {STAGES} at most")
        stages = {check_word("stage", name): _seconds(name, s) for name, s in self.seconds.items()}
        put(self, "seconds", stages)
        if not _whole(self.size) or not 0 <= self.size < 1 << 62:
            raise _refused("size", self.size, "a number of bytes")
        put(self, "features", _features(self.features))
        if not isinstance(self.seeded, bool):
            raise _refused("seeded", self.seeded, "True or False")
        if self.quality is not None and (not _number(self.quality) or not math.isfinite(self.quality)):
            raise _refused("quality", self.quality, "a finite number, or None")
        _text(self.text)

    @property
    def took(self) -> float:
        """Seconds of all stages."""
        return round(sum(self.seconds.values()), 6)

    def to_json(self) -> str:
        """Return the event as one line of JSON with its version; digests in hexadecimal, defaults left out."""
        line: dict[str, Any] = {"v": VERSION}
        for one in fields(self):
            value = getattr(self, one.name)
            if value or one.name in _REQUIRED or (one.name == "quality" and value is not None):
                line[one.name] = value.hex() if isinstance(value, bytes) else value
        return json.dumps(line, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Event:
        """Read an event from a line of JSON that this or an older version wrote.

        Raises:
            RecordError: if it is no such line, has fields that its version has not, or is of a newer version.
        """
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise _refused("line", line, "an object in JSON")
        return reader(found.pop("v", None))(found)


_REQUIRED = ("time", "tenant", "key", "kind")


def _version_1(found: dict[str, Any]) -> Event:
    unknown = sorted(found.keys() - {one.name for one in fields(Event)})
    missing = [name for name in _REQUIRED if name not in found]
    if unknown or missing:
        raise _refused("fields", unknown or sorted(found), f"those of version 1, {', '.join(_REQUIRED)} among them")
    try:
        digests: dict[str, Any] = {
            name: bytes.fromhex(found[name]) for name in ("key", "owner", "group") if name in found
        }
    except (TypeError, ValueError):
        raise _refused("digests", found.get("key"), "hexadecimal digits") from None
    if "features" in found and isinstance(found["features"], list):
        found = {**found, "features": tuple(found["features"])}
    found = {**found, **digests}
    return Event(**found)


_READERS: dict[int, Callable[[dict[str, Any]], Event]] = {1: _version_1}


def reader(version: object) -> Callable[[dict[str, Any]], Event]:
    """Return what reads the fields of events of a version.

    Raises:
        RecordError: if the version is no number, or newer than this code.
    """
    if not _whole(version) or version not in _READERS:
        known = ", ".join(map(str, _READERS))
        raise RecordError(
            f"an event of version {short(version)}",
            f"a version that this evocache reads: {known}",
            "read it with the evocache that wrote it, or a newer one",
        )
    return _READERS[version]


def _seconds(name: str, value: object) -> float:
    if not _number(value) or not 0 <= value < _LARGEST:
        raise _refused(name, value, "seconds, from 0")
    return round(float(value), 6)


def check_word(name: str, value: object) -> str:
    """Return a name that an event may have.

    Raises:
        RecordError: if it is no text, or too long.
    """
    if not isinstance(value, str) or not _good_word(value):
        raise _refused(name, value, f"a name of {WORD} characters at most")
    return value


@lru_cache(4096)  # events have few names, in all of them the same
def _good_word(value: str) -> bool:
    return len(value) <= WORD and _storable(value)


def _digest(name: str, value: object) -> None:
    if not isinstance(value, bytes) or len(value) > DIGEST:
        raise _refused(name, value, f"a digest of {DIGEST} bytes at most")


def _features(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > FEATURES or not all(_whole(v) and abs(v) < 1 << 31 for v in value):
        raise _refused("features", value, f"a tuple of {FEATURES} whole numbers of 32 bits at most")
    return value


def _text(value: object) -> None:
    if value is not None and (not isinstance(value, str) or len(value) > TEXT or not _storable(value)):
        given = f"a text of {len(value)} characters" if isinstance(value, str) else short(value)
        raise RecordError(given, f"at most {TEXT} characters, without NUL and half characters", "leave the text out")


def _storable(text: str) -> bool:
    """Whether every database keeps a text as it is: no NUL, no halves of characters."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _refused(name: str, value: object, expected: str) -> RecordError:
    return RecordError(f"{name} {short(value)} of an event", expected, "see evocache.usage.records.event.Event")
