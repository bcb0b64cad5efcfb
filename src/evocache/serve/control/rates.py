"""Quotas of keys: how much each may ask for in a minute and in a day, and how much of the door its bodies hold.

Windows of our own, as the clock is passed in (`limits` reads the wall's), amounts are fractions (seconds of a worker),
and what is charged as predicted is put right when it is known, which its strategies cannot.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ...errors import Error
from ...units import format_bytes
from .refusal import Refused

MINUTE, DAY = 60.0, 86400.0

PICTURES, SECONDS = "pictures", "seconds"
"""What windows count."""

SLOTS = 48
"""A window is counted in so many parts: what leaves it leaves by parts."""

BODIES = 0.5
"""Share of the door that bodies of one account may hold while they are read: slow ones shut out nobody else."""

KEYS = 4096
"""Keys whose windows are kept; the one that was used the longest time ago is forgotten."""


@dataclass(frozen=True)
class Quota:
    """How much a key may ask for; None for any amount.

    Attributes:
        per_minute: pictures, or films.
        per_day: pictures, or films.
        seconds_per_day: seconds of a worker.
        queued: requests that are not over.

    Raises:
        Error: if one of them is no number above 0.
    """

    per_minute: float | None = None
    per_day: float | None = None
    seconds_per_day: float | None = None
    queued: int | None = None

    def __post_init__(self) -> None:
        for name in ("per_minute", "per_day", "seconds_per_day", "queued"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise Error(f"a quota of {name}={value!r}", "a number above 0", "give one, or none for any amount")


class Left(NamedTuple):
    """What is left of a part of a quota.

    Attributes:
        of: the part, in words.
        unit: what it counts: `pictures` (films as well), or `seconds` of a worker.
        limit: how much there is in all.
        remaining: how much of it is left.
        reset: seconds until all of it is left again.
    """

    of: str
    unit: str
    limit: float
    remaining: float
    reset: float


class Window:
    """Counts amounts of the last so many seconds: of no stretch of that length is it ever less than what there was.

    Args:
        seconds: its length.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._slots: deque[tuple[int, float]] = deque()

    @property
    def _slot(self) -> float:
        return self.seconds / SLOTS

    def amount(self, now: float) -> float:
        """Return how much there was."""
        while self._slots and self._ends(self._slots[0][0]) <= now:
            self._slots.popleft()
        return sum(amount for _, amount in self._slots)

    def add(self, now: float, amount: float) -> None:
        """Count an amount."""
        number = math.floor(now / self._slot)
        before = 0.0
        if self._slots and self._slots[-1][0] >= number:
            number, before = self._slots.pop()
        self._slots.append((number, before + amount))

    def take_back(self, amount: float) -> None:
        """Count an amount less: of what came first, so that what is counted is still no less than what there was."""
        for at, (number, had) in enumerate(self._slots):
            less = min(had, amount)
            self._slots[at] = number, had - less
            amount -= less

    def wait(self, now: float, amount: float, most: float) -> float | None:
        """Return seconds until an amount fits; 0 if it does, None if it is more than there may ever be."""
        if amount > most:
            return None
        left = self.amount(now)
        if left + amount <= most:
            return 0.0
        for number, had in self._slots:
            left -= had
            if left + amount <= most:
                return self._ends(number) - now
        return self.seconds

    def reset(self, now: float) -> float:
        """Return seconds until nothing is counted any more, if nothing is added."""
        return max(0.0, self._ends(self._slots[-1][0]) - now) if self.amount(now) and self._slots else 0.0

    def _ends(self, number: int) -> float:
        """When the last of a slot is out of the window."""
        return (number + 1) * self._slot + self.seconds


class _Account:
    def __init__(self) -> None:
        self.minute, self.day, self.work = Window(MINUTE), Window(DAY), Window(DAY)


class Rates:
    """Windows of all keys."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[object, _Account] = OrderedDict()

    def wait(self, now: float, account: object, quota: Quota, count: int, seconds: float) -> tuple[str, float | None]:
        """Return which part of a quota a request exceeds, in words, and seconds until it does not; empty and 0 if none.

        Args:
            now: by the clock.
            account: the key.
            quota: what it may ask for.
            count: pictures that are asked for.
            seconds: of a worker that they are predicted to take.
        """
        checks = [
            (f"{most:g} {text}", window.wait(now, seconds if unit == SECONDS else float(count), most))
            for window, most, unit, text in self._windows(account, quota)
        ]
        never = next((check for check in checks if check[1] is None), None)
        return never or max(checks, key=lambda check: check[1] or 0.0, default=("", 0.0))

    def left(self, now: float, account: object, quota: Quota) -> list[Left]:
        """Return what is left of each part of a quota."""
        return [
            Left(text, unit, most, max(0.0, most - window.amount(now)), window.reset(now))
            for window, most, unit, text in self._windows(account, quota)
        ]

    def charge(self, now: float, account: object, count: int, seconds: float) -> None:
        """Count what a key asked for."""
        of = self._of(account)
        of.minute.add(now, count)
        of.day.add(now, count)
        of.work.add(now, seconds)

    def correct(self, now: float, account: object, seconds: float) -> None:
        """Count seconds more, or less, than were predicted."""
        if seconds > 0:
            self._of(account).work.add(now, seconds)
        else:
            self.refund(account, -seconds)

    def refund(self, account: object, seconds: float) -> None:
        """Count predicted seconds less: of what was not made."""
        self._of(account).work.take_back(seconds)

    def _windows(self, account: object, quota: Quota) -> Iterator[tuple[Window, float, str, str]]:
        """Windows that a quota bounds, with what they count, in what, in words."""
        of = self._of(account)
        for window, most, unit, text in (
            (of.minute, quota.per_minute, PICTURES, "pictures a minute"),
            (of.day, quota.per_day, PICTURES, "pictures a day"),
            (of.work, quota.seconds_per_day, SECONDS, "seconds of a worker a day"),
        ):
            if most is not None:
                yield window, most, unit, text

    def _of(self, account: object) -> _Account:
        found = self._accounts.setdefault(account, _Account())
        self._accounts.move_to_end(account)
        while len(self._accounts) > KEYS:
            self._accounts.popitem(last=False)
        return found


class Reading:
    """Counts bodies that are read."""

    def __init__(self) -> None:
        self._counts: Counter[object] = Counter()
        self._bytes: Counter[object] = Counter()

    def __len__(self) -> int:
        return self._counts.total()

    def check(
        self, account: object, count: int, bytes: int, *, requests: int, most: int, wait: float | None = None
    ) -> None:
        """Refuse a body, or more of one, where others of its account have their part.

        Args:
            account: whose it is.
            count: 1, or 0 for more of a body that is there.
            bytes: that come.
            requests: most at the door.
            most: bytes at the door.
            wait: seconds until there may be room.

        Raises:
            Refused: if they have.
        """
        count, all_bytes = self._counts[account] + count, self._bytes[account] + bytes
        bodies, room = max(1, int(BODIES * requests)), int(BODIES * most)
        if count > bodies:
            raise Refused("requests", f"{count} bodies of a key that are read", f"at most {bodies} at a time", wait)
        if bytes and all_bytes > room:
            given, expected = f"{format_bytes(all_bytes)} of a key's bodies", f"at most {format_bytes(room)} at a time"
            raise Refused("bytes", given, expected, wait if bytes <= room else None)

    def add(self, account: object, count: int, bytes: int) -> None:
        """Count a body, more of one, or, below 0, less."""
        for counter, more in ((self._counts, count), (self._bytes, bytes)):
            counter[account] += more
            if not counter[account]:
                del counter[account]
