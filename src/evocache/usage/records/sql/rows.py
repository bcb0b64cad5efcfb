"""Events as rows of a database, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..event import VERSION, Event, reader
from ..summary import micro
from .varint import pack, unpack

WORDS = ("tenant", "context", "kind", "tier", "policy")
"""Columns of names, of which a row has the number."""

DIGESTS = ("owner", "key", "group")


def words_of(events: Iterable[Event]) -> set[str]:
    """Return the names that events have in them."""
    found = set[str]()
    for event in events:
        found.update((getattr(event, name) for name in WORDS), event.seconds)
    return found


def to_row(event: Event, ids: Mapping[str, int]) -> dict[str, Any]:
    """Return the columns of an event.

    Args:
        event: what to keep.
        ids: number of each name.
    """
    stages = pack(number for stage, s in event.seconds.items() for number in (ids[stage], micro(s)))
    return {
        "version": VERSION,
        "time": micro(event.time),
        **{name: ids[getattr(event, name)] for name in WORDS},
        **{name: getattr(event, name) for name in DIGESTS},
        "seconds": stages or None,
        "took": micro(event.took),
        "size": event.size,
        "saved": micro(event.saved),
        "seeded": int(event.seeded),
        "features": pack(event.features) or None,
        "quality": event.quality,
        "text": event.text,
    }


def words_in(row: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the names in a row."""
    return [*(row[name] for name in WORDS), *unpack(bytes(row["seconds"] or b""))[::2]]


def from_row(row: Mapping[str, Any], words: Mapping[int, str]) -> Event:
    """Return the event of a row of this version or an older one.

    Raises:
        RecordError: if the row is of a newer version, or damaged.
    """
    reader(row["version"])
    numbers = unpack(bytes(row["seconds"] or b""))
    return Event(
        time=row["time"] / 1e6,
        tenant=words[row["tenant"]],
        key=bytes(row["key"]),
        kind=words[row["kind"]],
        owner=bytes(row["owner"]),
        group=bytes(row["group"]),
        context=words[row["context"]],
        tier=words[row["tier"]],
        policy=words[row["policy"]],
        seconds={words[stage]: s / 1e6 for stage, s in zip(numbers[::2], numbers[1::2], strict=True)},
        size=row["size"],
        saved=row["saved"] / 1e6,
        seeded=bool(row["seeded"]),
        features=tuple(unpack(bytes(row["features"] or b""))),
        quality=row["quality"],
        text=row["text"],
    )
