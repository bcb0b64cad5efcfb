"""What was drawn to be compared, until it is: in memory alone, a few at most, and not for long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..workers.card import PointCard
from ..workers.task import Picture, Task
from .figures import Holder

MOST = 8
"""Most samples that are kept."""

MOST_BYTES = 128 << 20
"""Most bytes of all of them: of what was made, and of the pictures that were given for it."""

LONGEST = 600.0
"""Most seconds that a sample waits."""


@dataclass(eq=False)
class Sample:
    """Something that was made at a point, and has not been compared yet.

    Attributes:
        task: that it was made by.
        point: that it was made at.
        holder: whose it is: tenant and key.
        picture: what was made.
        time: when, in seconds of a clock that only grows.
        tries: how often it was begun uncached.
    """

    task: Task = field(repr=False)
    point: PointCard
    holder: Holder
    picture: Picture
    time: float
    tries: int = 0

    @property
    def bytes(self) -> int:
        """Bytes that it takes."""
        given: Mapping[str, Picture] = self.task.pictures
        return len(self.picture.pixels) + sum(len(picture.pixels) for picture in given.values())

    def uncached(self, id: str) -> Task:
        """Return the task that makes the same with everything computed, of nobody's.

        Args:
            id: of the task.
        """
        return replace(self.task, id=id, point=None, user="", deadline=None)


class Samples:
    """Samples in the order in which they came; the oldest leave first where there is no room.

    Args:
        most: how many are kept.
        most_bytes: that they may take together.
        longest: most seconds that one waits.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES, longest: float = LONGEST) -> None:
        self._most, self._most_bytes, self._longest = most, most_bytes, longest
        self._kept: list[Sample] = []

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """Bytes that they take."""
        return sum(sample.bytes for sample in self._kept)

    def __iter__(self) -> Iterator[Sample]:
        """Iterate over them, the oldest first; they may change meanwhile."""
        return iter([*self._kept])

    def add(self, sample: Sample) -> None:
        """Keep a sample, unless it is larger than all may be together."""
        if sample.bytes > self._most_bytes:
            return
        self._kept.append(sample)
        while len(self._kept) > self._most or self.bytes > self._most_bytes:
            del self._kept[0]

    def drop(self, sample: Sample) -> None:
        """Keep a sample no more; it may have left before."""
        if sample in self._kept:
            self._kept.remove(sample)

    def expire(self, now: float) -> None:
        """Drop those that have waited too long."""
        self._kept = [sample for sample in self._kept if now - sample.time < self._longest]

    def clear(self) -> None:
        """Drop all."""
        self._kept = []
