"""When usage changed: the hit rate, and what is popular."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from ...errors import DependencyError, RecordWarning
from ...extras import optional
from ...user_warnings import warn
from .settings import Key, check_least

DELTA = 0.002
"""Chance that a detector finds a change that is none."""


Means = tuple[float, float]
"""Mean before a change and after it, as far as values were seen."""


class Detector(Protocol):
    """Finds changes of the mean of a stream of numbers between 0 and 1."""

    name: str

    def update(self, value: float) -> Means | None:
        """Note a value, and return the means before and after where they differ now, else None."""


class Adwin:
    """ADWIN of river: a window that grows until two parts of it differ (Bifet and Gavalda, SDM 2007).

    Raises:
        DependencyError: if river is not installed.
    """

    name = "adwin"

    def __init__(self, delta: float = DELTA) -> None:
        self._adwin: Any = optional("river.drift").ADWIN(delta=delta)

    def update(self, value: float) -> Means | None:
        """Note a value, and return the means of the window before and after it was cut."""
        before = self._adwin.estimation
        self._adwin.update(value)
        return (float(before), float(self._adwin.estimation)) if self._adwin.drift_detected else None


class TwoHalves:
    """Compares the older half of the last values with the newer one, by Hoeffding's inequality; needs no package.

    It is slower than ADWIN to find small changes, and finds none that is shorter than half a window.

    Args:
        half: values in each half.
        delta: chance that it finds a change that is none, at a value.
    """

    name = "two halves"

    def __init__(self, half: int = 500, delta: float = DELTA / 500) -> None:
        self._half = half
        self._limit = math.sqrt(math.log(2 / delta) / half)  # of a difference of two means of `half` values each
        self._old: deque[float] = deque()
        self._new: deque[float] = deque()
        self._sums = [0.0, 0.0]

    def update(self, value: float) -> Means | None:
        """Note a value, and return the means of the halves where they differ."""
        self._new.append(value)
        self._sums[1] += value
        if len(self._new) > self._half:
            passed = self._new.popleft()
            self._old.append(passed)
            self._sums[0] += passed
            self._sums[1] -= passed
        if len(self._old) > self._half:
            self._sums[0] -= self._old.popleft()
        before, after = self._sums[0] / self._half, self._sums[1] / self._half
        if len(self._old) < self._half or abs(before - after) <= self._limit:
            return None
        self._old.clear()
        self._sums[0] = 0.0
        return before, after


def detector(delta: float = DELTA) -> Detector:
    """Return ADWIN where river is installed, and else `TwoHalves`, which a warning tells."""
    try:
        return Adwin(delta)
    except DependencyError as missing:
        told = f"changes of usage are found by comparing halves of windows, which is slower: {missing}"
        warn(told, RecordWarning)
        return TwoHalves(delta=delta / 500)


@dataclass(frozen=True, slots=True)
class DriftPoint:
    """A change that was found.

    Attributes:
        now: number of requests, or time, when it was found; it began before that.
        of: what changed: the `hit rate`, or `popularity`, the share of requests that are for popular groups.
        before: mean before.
        after: mean of the first values after it, which may have some from before.
        time: seconds since 1970 when it was found; None where that is not known.
    """

    now: float
    of: Literal["hit rate", "popularity"]
    before: float
    after: float
    time: float | None = None


class Drift:
    """Watches the hit rate, and how many requests are for the groups that were popular when it last changed.

    Args:
        window: requests that popularity is taken from.
        top: groups that count as popular.
        hits: detector of the hit rate; `detector()` if none is given.
        popularity: detector of popularity; likewise.
        most: changes that are remembered; the oldest are forgotten.
    """

    def __init__(
        self,
        window: int = 1000,
        top: int = 20,
        *,
        hits: Detector | None = None,
        popularity: Detector | None = None,
        most: int = 1000,
    ) -> None:
        for name, value in (("window", window), ("top", top), ("most", most)):
            check_least(name, value, 1)
        self.window, self.top, self.most = window, top, most
        self._hits = hits or detector()
        self._popularity = popularity or type(self._hits)()
        self.detector = self._hits.name
        """Which detector found the changes."""
        self.points: list[DriftPoint] = []
        """Changes, the oldest first."""
        self._counts: Counter[Key] = Counter()
        self._popular: set[Key] | None = None  # None while it is being counted

    def add(self, now: float, hit: bool | None, group: Key = 0, time: float | None = None) -> list[DriftPoint]:
        """Note a request, and return the changes that it shows.

        Args:
            now: number of requests so far, or time.
            hit: whether it was answered from a stored result; None where that is not known.
            group: digest of what it was about; requests of no group (0 or empty) say nothing of popularity.
            time: seconds since 1970, where `now` is a number of requests and they are known.
        """
        found = [] if hit is None else self._update(self._hits, "hit rate", now, hit)
        if group:
            if self._popular is None:
                self._counts[group] += 1
                if self._counts.total() >= self.window:
                    self._popular = {key for key, _ in self._counts.most_common(self.top)}
            elif change := self._update(self._popularity, "popularity", now, group in self._popular):
                found += change
                self._popular = None
                self._counts.clear()
                self._popularity = type(self._popularity)()
        found = [replace(point, time=time) for point in found]
        self.points = [*self.points, *found][-self.most :] if found else self.points
        return found

    def _update(
        self, watch: Detector, of: Literal["hit rate", "popularity"], now: float, value: float
    ) -> list[DriftPoint]:
        means = watch.update(float(value))
        return [DriftPoint(now, of, *means)] if means else []

    def merge(self, other: Drift) -> None:
        """Add the changes that another has found in later requests, and go on as it does.

        A change between the two is not found.
        """
        self.points = sorted([*self.points, *other.points], key=lambda point: point.now)[-self.most :]
        self._hits, self._popularity = other._hits, other._popularity
        self._counts, self._popular = other._counts.copy(), other._popular
