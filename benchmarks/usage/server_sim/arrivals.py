"""Requests with times of arrival."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evocache.usage.policies.trace import Trace


@dataclass(slots=True)
class Request:
    """Holds a request and what came of it.

    Attributes:
        number: 1 for the first.
        at: second of its arrival.
        key: digest of what it asks for.
        owner: digest of who asks.
        group: digest of what it is about.
        seconds: what computing the answer takes, as a policy is told.
        answered: second of its answer; negative while there is none.
        how: `computed`, `joined`, `hit`, `ahead` or `shed`; empty while it waits.
    """

    number: int
    at: float
    key: int
    owner: int
    group: int
    seconds: float
    answered: float = -1.0
    how: str = ""


def poisson(trace: Trace, rate: float, seed: int) -> list[Request]:
    """Return the requests of a trace, which arrive at random at a mean rate a second."""
    gaps = np.random.default_rng(seed).exponential(1.0 / rate, len(trace))
    return timed(trace, np.cumsum(gaps).tolist())


def timed(trace: Trace, times: list[float]) -> list[Request]:
    """Return the requests of a trace with given times of arrival, in order."""
    columns = (trace.key, trace.owner, trace.group, trace.seconds)
    rows = zip(times, *(column.tolist() for column in columns), strict=True)
    return [Request(number, *row) for number, row in enumerate(rows, 1)]
