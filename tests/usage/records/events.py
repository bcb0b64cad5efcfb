"""Events for tests."""

from __future__ import annotations

import random
from typing import Any

from evocache.usage.records.event import KINDS, Event


def event(time: float = 1000.0, **values: Any) -> Event:
    return Event(**{"time": time, "tenant": "acme", "key": b"k" * 8, "kind": "hit", **values})


def full(time: float = 1000.0) -> Event:
    """An event that has every value."""
    return event(
        time,
        owner=bytes(range(8)),
        group=b"\0\xff" * 4,
        context="emoji/2.5/20",
        tier="memory",
        seconds={"wait": 0.25, "compute": 0.810001},
        size=4321,
        saved=0.81,
        policy="learned",
        features=(0, -3, 70_000, 2**31 - 1, -(2**31) + 1),
        seeded=True,
        quality=45.25,
        text="a fox, 여우, \U0001f98a",
    )


def many(count: int, seed: int = 0, start: float = 1000.0) -> list[Event]:
    """Random events, one every 0.05 to 0.15 seconds."""
    draw = random.Random(seed)
    return [
        event(
            start + number / 10 + draw.random() / 20,
            tenant=draw.choice(["acme", "other"]),
            key=draw.randbytes(8),
            kind=draw.choice(KINDS),
            owner=bytes([draw.randrange(5)]) * 8,
            group=draw.randbytes(8),
            context=draw.choice(["a", "b"]),
            tier=draw.choice(["", "memory", "disk"]),
            seconds={"wait": draw.random() / 10, "compute": draw.random()},
            size=4000 + draw.randrange(900),
            saved=draw.random(),
            policy="learned",
            features=tuple(draw.randrange(-9, 40) for _ in range(6)),
        )
        for number in range(count)
    ]
