"""What caches of given rooms would have had of requests, policy by policy, with what knowing the future gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...learn.comparison import compare
from ...policies.trace import Trace
from .contents import Room

SHARES = (0.01, 0.03, 0.1)
"""Rooms, as shares of the bytes of all different answers, if none are asked for."""

Watch = Callable[[str, int, int], Callable[[int], None]]
"""Is told the policy, the bytes and the number of requests of a replay; returns what is told how many more are done."""


def unwatched(name: str, max_bytes: int, requests: int) -> Callable[[int], None]:
    """Tell nobody of a replay."""
    return lambda done: None


def usual_rooms(trace: Trace) -> list[int]:
    """Return the rooms that are replayed where none are asked for."""
    return sorted({int(trace.whole * share) for share in SHARES} - {0}) if len(trace) else []


def replay_rooms(
    trace: Trace, rooms: Sequence[int], policies: Sequence[str], *, seed: int = 0, watch: Watch = unwatched
) -> tuple[Room, ...]:
    """Return what policies would have had, each begun empty, in each room.

    Args:
        trace: the requests.
        rooms: bytes that each policy may hold.
        policies: their names; `lru` is among the results in any case.
        seed: seeds what they draw.
        watch: is told of each replay.

    Raises:
        UsageError: if a policy is unknown.
    """
    found = []
    for room in rooms if len(trace) else ():

        def told(name: str, requests: int, room: int = room) -> Callable[[int], None]:
            return watch(name, room, requests)

        standing = compare(trace, room, policies, seed=seed, watch=told)
        rates = {one.name: one.hit_rate for one in standing.policies}
        saved = {one.name: one.seconds_saved for one in standing.policies}
        best = standing.offline
        found.append(
            Room(room, len(trace), standing.seconds, rates, saved, best.hit_rate, best.seconds_saved, standing.bound)
        )
    return tuple(found)
