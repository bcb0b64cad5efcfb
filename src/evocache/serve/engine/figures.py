"""What an engine has done: turns, calls, and why calls were computed by themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Figures:
    """Counts of an engine, from its beginning.

    Attributes:
        turns: batches that were computed.
        calls: calls of components in them.
        together: calls that were computed with others.
        graphs: those that are compiled of components whose calls were computed together.
        anew: calls that were begun with others and had to be made anew, by themselves or with fewer.
        split: batches that memory was short for, and that were tried again with half of their rows.
        tightened: times that a job began anew under a tighter plan, since memory was short for its call alone.
        paused: times that a call of an encoder or decoder paused on its way, since others waited.
        overlong: turns of these that took longer than they should while others waited.
        switches: times that a turn began with other LoRAs than those that acted before.
        conditioning_hits: calls of encoders that were not made, since what they return was held.
        conditioning_misses: those that were looked for, and made.
        conditioning_bytes: of what is held of encoders.
        conditioning_seconds: that the calls took which were not made, when they were.
        alone: calls that were computed by themselves although others waited, by why.
        done: jobs that returned.
        failed: jobs that raised.
        cancelled: jobs that were cancelled.
    """

    turns: int = 0
    calls: int = 0
    together: int = 0
    graphs: int = 0
    anew: int = 0
    split: int = 0
    tightened: int = 0
    paused: int = 0
    overlong: int = 0
    switches: int = 0
    conditioning_hits: int = 0
    conditioning_misses: int = 0
    conditioning_bytes: int = 0
    conditioning_seconds: float = 0.0
    alone: Counter[str] = field(default_factory=Counter)
    done: int = 0
    failed: int = 0
    cancelled: int = 0
