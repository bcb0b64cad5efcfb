"""Sums of what keys asked for and got, by day and model: what holders of keys see of themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple

from ..workers.card import ModelCard
from .outcome import Outcome

DAY = 86400


class Place(NamedTuple):
    """What is summed up together.

    Attributes:
        day: whole days since 1970, by UTC.
        tenant: whose.
        key: id of the API key.
        model: name of the model.
    """

    day: int
    tenant: str
    key: str
    model: str


@dataclass
class Tally:
    """Sums.

    Attributes:
        requests: for generations, however they ended.
        made: pictures and films that were answered.
        exact: of these, those from a stored result.
        joined: of these, those that were computed for an equal request in flight.
        refused: requests that were not let in.
        failed: requests that failed.
        computed: seconds of workers.
        saved: seconds of workers that were saved, as estimated.
    """

    requests: int = 0
    made: int = 0
    exact: int = 0
    joined: int = 0
    refused: int = 0
    failed: int = 0
    computed: float = 0.0
    saved: float = 0.0

    def add(self, other: Tally) -> None:
        """Add sums to these."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


def tally(outcome: Outcome, card: ModelCard | None) -> Tally:
    """Return the sums of one request."""
    kinds = [account.reuse for account in outcome.accounts]
    return Tally(
        1,
        len(kinds),
        kinds.count("exact"),
        kinds.count("joined"),
        int(outcome.end == "refused"),
        int(outcome.end == "failed"),
        outcome.computed,
        outcome.saved(card),
    )


class Tallies:
    """Sums that are not written yet. Threads may share them.

    Args:
        clock: returns seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sums: dict[Place, Tally] = {}

    @property
    def today(self) -> int:
        """Whole days since 1970."""
        return int(self._clock() // DAY)

    def add(self, outcome: Outcome, card: ModelCard | None) -> None:
        """Count how a request ended."""
        one = tally(outcome, card)
        self.put_back([(Place(self.today, outcome.tenant, outcome.key, outcome.model), one)])

    def take(self) -> list[tuple[Place, Tally]]:
        """Return all sums, which are counted anew from here on."""
        with self._lock:
            taken, self._sums = self._sums, {}
        return list(taken.items())

    def put_back(self, sums: Iterable[tuple[Place, Tally]]) -> None:
        """Add sums to these, such as taken ones that could not be written."""
        with self._lock:
            for place, one in sums:
                self._sums.setdefault(place, Tally()).add(one)

    def of(self, tenant: str, key: str) -> list[tuple[Place, Tally]]:
        """Return copies of the sums of a key."""
        with self._lock:
            mine = [(place, one) for place, one in self._sums.items() if (place.tenant, place.key) == (tenant, key)]
            return [(place, Tally(**vars(one))) for place, one in mine]
