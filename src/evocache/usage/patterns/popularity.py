"""What is popular now, and what will be."""

from __future__ import annotations

from copy import deepcopy

from .settings import Key, check_alike, check_least

PACES = ((1.0, 0.0), (0.6, 0.3), (0.35, 0.1))
"""How much the last window says of the level, and of the trend: all (the last window is the forecast), much, little."""

DAMPING = 0.9
"""How much of a trend goes on from one window to the next."""

AGEING = 0.9
"""How much an error of the window before counts beside one of the last window."""

_Pace = tuple[float, float]


class Popularity:
    """Forecasts how many requests groups will have in a window to come.

    The method is Holt's with a damped trend (Gardner and McKenzie, Management Science 31(10), 1985) on the counts of
    windows, begun from zero, at each of `PACES`: level l = a y + (1 - a)(l' + d b'), trend b = t (l - l') +
    (1 - t) d b', and the forecast h windows ahead is l + (d + ... + d^h) b, at least 0. The pace that erred least of
    late, over all groups and one window ahead, forecasts: where usage changes fast that is the last window, where it
    changes slowly an average.

    Levels and trends are linear in the counts. So merging them is exact while no group was forgotten, both of parts
    that were counted side by side and of one after the other. Errors are added.

    Args:
        window: requests (or seconds) of a window, in the units of `now`.
        most: groups that are remembered; those with the lowest forecasts are forgotten.
    """

    def __init__(self, window: float = 500.0, most: int = 1024) -> None:
        check_least("window", window, 1e-9)
        check_least("most", most, 1)
        self.window, self.most = window, most
        self.errors = [0.0] * len(PACES)
        """By pace, how many requests the forecasts were off, those of older windows counted less."""
        self._states: dict[Key, tuple[_Pace, ...]] = {}  # by pace level and trend, of windows before the present one
        self._present: int | None = None
        self._counts: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._states.keys() | self._counts.keys())

    def add(self, group: Key, now: float, weight: float = 1.0) -> None:
        """Count a request for a group, at a time or as the `now`-th; of an earlier window it counts in the present."""
        self.advance(now)
        self._counts[group] = self._counts.get(group, 0.0) + weight

    def advance(self, now: float) -> None:
        """End the windows that end by a time, or the `now`-th request."""
        window = int(now // self.window)
        if self._present is None:
            self._present = window
        while self._present < window:
            self._end()
            self._present += 1
            if not self._states:
                self._present = window

    def _end(self) -> None:
        self.errors = [AGEING * error for error in self.errors]
        for group in self._states.keys() | self._counts.keys():
            count, before = self._counts.get(group, 0.0), self._states.get(group, _NOTHING)
            after = []
            for place, ((a, t), (level, trend)) in enumerate(zip(PACES, before, strict=True)):
                self.errors[place] += abs(max(0.0, level + DAMPING * trend) - count)
                new = a * count + (1 - a) * (level + DAMPING * trend)
                after.append((new, t * (new - level) + (1 - t) * DAMPING * trend))
            self._states[group] = tuple(after)
        self._counts = {}
        for group in [g for g, paces in self._states.items() if all(abs(x) < 1e-6 for pace in paces for x in pace)]:
            del self._states[group]
        if len(self._states) > self.most:
            ranked = sorted(self._states, key=self.forecast)
            for group in ranked[: len(ranked) - self.most]:
                del self._states[group]

    @property
    def pace(self) -> int:
        """Number of the pace that forecasts now."""
        return self.errors.index(min(self.errors))

    def forecast(self, group: Key, ahead: int = 1, *, pace: int | None = None) -> float:
        """Return the requests that a group will have in a window to come.

        Args:
            group: which.
            ahead: 1 for the present window, of which what was counted so far is not regarded; 2 for the next.
            pace: number of the pace; the one that erred least if none is given. 0 repeats the last window.
        """
        level, trend = self._states.get(group, _NOTHING)[self.pace if pace is None else pace]
        return max(0.0, level + trend * sum(DAMPING**step for step in range(1, ahead + 1)))

    def top(self, most: int, ahead: int = 1) -> list[tuple[Key, float]]:
        """Return the groups with the highest forecasts, and these."""
        ranked = sorted(((group, self.forecast(group, ahead)) for group in self._states), key=lambda item: -item[1])
        return ranked[:most]

    def merge(self, other: Popularity) -> None:
        """Add what another has counted, by the same `now`; the other stays as it is.

        Raises:
            UsageError: if its settings differ.
        """
        check_alike("window and most", (self.window, self.most), (other.window, other.most))
        if other._present is None:
            return
        theirs = deepcopy(other)
        latest = max(other._present, other._present if self._present is None else self._present)
        self.advance(latest * self.window)
        theirs.advance(latest * self.window)
        self.errors = [a + b for a, b in zip(self.errors, theirs.errors, strict=True)]
        for group, paces in theirs._states.items():
            mine = self._states.get(group, _NOTHING)
            self._states[group] = tuple((a[0] + b[0], a[1] + b[1]) for a, b in zip(mine, paces, strict=True))
        for group, count in theirs._counts.items():
            self._counts[group] = self._counts.get(group, 0.0) + count


_NOTHING: tuple[_Pace, ...] = ((0.0, 0.0),) * len(PACES)
