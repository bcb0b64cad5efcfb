"""The cases that are compared, at equal bytes and equal arrivals."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from evocache.usage.learn.adaptive import Adaptive
from evocache.usage.policies.belady import best_offline
from evocache.usage.policies.lru import LRU
from evocache.usage.policies.trace import Trace

from ..eviction import room_of
from .ahead import Ahead
from .arrivals import poisson
from .outcome import Outcome
from .server import Run, Server
from .stages import FRONT, Stages

ROOM = 0.01
"""Room, as a part of the bytes of all answers as pictures."""

LATENTS = 1_728
"""Bytes of an answer as final latents of 16 bits; 2.3 times as many fit as pictures of 3,990."""

CASES: dict[str, Callable[[int], Server]] = {
    "static: LRU, fora:2": lambda room: Server(policy=LRU(room)),
    "+ joining": lambda room: Server(policy=LRU(room), joining=True),
    "+ learned policy": lambda room: Server(policy=Adaptive(room), joining=True),
    "+ latents": lambda room: Server(policy=Adaptive(room), joining=True, entry_bytes=LATENTS, decoded=True),
    "+ front, 40 dB": lambda room: Server(
        policy=Adaptive(room), joining=True, entry_bytes=LATENTS, decoded=True, point=FRONT[1]
    ),
}
"""Servers by name, each a function of the room, each with one thing more than the one before."""

AHEAD: dict[str, Callable[[], Ahead | None]] = {
    "no speculation": lambda: None,
    "from .15, cancelled": lambda: Ahead(0.15),
    "from .15, paused": lambda: Ahead(0.15, resume=True),
    "from .05, cancelled": lambda: Ahead(0.05),
    "everybody's rate, cancelled": lambda: Ahead(0.15, everybody=True),
}
"""What an idle worker makes ahead, by name."""


def serve(name: str, trace: Trace, load: float, seed: int) -> Outcome:
    """Return what a case does with a trace: load is relative to the uncached worker in full batches."""
    stages = Stages()
    room = room_of(trace, ROOM)
    server = CASES[name](room)
    return Run(server, poisson(trace, load * stages.capacity(server.batch), seed)).until()


def serve_ahead(name: str, trace: Trace, load: float, seed: int) -> Outcome:
    """Return the same where an owner's repeat asks for another picture, with what an idle worker makes ahead."""
    stages = Stages()
    server = Server(policy=LRU(room_of(trace, ROOM)), joining=True, another=True, ahead=AHEAD[name]())
    return Run(server, poisson(trace, load * stages.capacity(server.batch), seed)).until()


def bound(trace: Trace) -> float:
    """Return the hit rate of who knows the future, in order of arrival, at the room of pictures."""
    return float(best_offline(trace, room_of(trace, ROOM)).hit.mean())


def spread_of(found: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return mean, least and greatest of each figure over seeds."""
    figures = {name: [one[name] for one in found] for name in found[0]}
    return {name: {"mean": fmean(all), "low": min(all), "high": max(all)} for name, all in figures.items()}
