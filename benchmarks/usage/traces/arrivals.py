"""Requests of a public trace: when they came, who sent them, what they asked for, as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evocache.usage.policies.trace import Trace


class TraceError(ValueError):
    """A file that is not in the format of its trace; the message has the file and the line."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Holds the requests of a trace in order of time; columns have one value a request.

    Attributes:
        name: of the trace.
        seconds: times of arrival, from 0, float64; empty where the trace has only an order.
        users: numbers from 1, int64; empty where nobody is named.
        lookups: what a cache is asked for, more than one a request where answers are parts; None where no keys are
            known. Sizes are in the trace's own unit.
        unit: of these sizes.
    """

    name: str
    seconds: NDArray[np.float64]
    users: NDArray[np.int64]
    lookups: Trace | None = None
    unit: str = ""

    @property
    def requests(self) -> int:
        """Number of requests."""
        known = max(len(self.seconds), len(self.users))
        return known or (0 if self.lookups is None else len(self.lookups))

    def figures(self) -> dict[str, Any]:
        """Return what the arrivals are like; rates are in requests a second, None where they are not known."""
        found: dict[str, Any] = {"requests": self.requests, "span": None, "rate": None, "peak": None, "variation": None}
        gaps = np.diff(self.seconds)
        if len(gaps) and self.seconds[-1] > self.seconds[0]:
            span = float(self.seconds[-1] - self.seconds[0])
            minutes = np.bincount(((self.seconds - self.seconds[0]) // 60).astype(np.int64))
            rate = len(gaps) / span
            found |= {"span": span, "rate": rate, "peak": float(minutes.max()) / 60}
            found["variation"] = float(gaps.std() / gaps.mean())
        if len(self.users):
            counts = np.unique(self.users, return_counts=True)[1]
            found |= {"users": len(counts), "heaviest": float(counts.max() / counts.sum())}
        return found


def nobody() -> NDArray[np.int64]:
    """Return the users of a trace that names none."""
    return np.zeros(0, np.int64)
