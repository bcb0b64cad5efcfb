"""What came of a simulation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .arrivals import Request

HOWS = ("computed", "joined", "hit", "ahead", "shed")


@dataclass
class Outcome:
    """Holds the requests and what the worker did.

    Attributes:
        requests: all of them, in order of arrival.
        end: second at which the simulation ended.
        busy: seconds that the worker worked.
        area: seconds that requests were in the system, added up at each change of their number.
        ahead: seconds that the worker made pictures ahead.
        wasted: the part of those for nothing.
    """

    requests: list[Request]
    end: float = 0.0
    busy: float = 0.0
    area: float = 0.0
    ahead: float = 0.0
    wasted: float = 0.0
    waits: list[float] = field(default_factory=list)
    """Seconds from arrival to the beginning of a batch, of each request that was computed."""

    def count(self, how: str) -> int:
        """Return how many requests were answered in a way; of the empty way, how many are in the system."""
        return sum(request.how == how for request in self.requests)

    @property
    def responses(self) -> NDArray[np.float64]:
        """Seconds from arrival to answer, of those that were answered."""
        return np.array([r.answered - r.at for r in self.requests if r.how not in ("", "shed")])

    def figures(self) -> dict[str, float]:
        """Return what is reported: seconds, and parts of all requests."""
        responses, total = self.responses, len(self.requests)
        return {
            "mean": float(responses.mean()),
            "p99": float(np.quantile(responses, 0.99)),
            **{how: self.count(how) / total for how in HOWS},
            "busy": self.busy / self.end,
            "wasted_of_worker": self.wasted / self.end,
            "wasted_of_ahead": self.wasted / self.ahead if self.ahead else 0.0,
        }
