"""How good forecasts of habits are: their log loss, by how much is known of the owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

from .habits import LENGTHS, Habits

_LEAST = 1e-12


@dataclass(frozen=True)
class Score:
    """Holds sums of log losses of forecasts, in nats.

    Attributes:
        decisions: number of forecasts.
        shrunk: log loss of the mixture, summed.
        everybody: the same of everybody's rate.
        personal: the same of the owner's own rate alone.
    """

    decisions: int = 0
    shrunk: float = 0.0
    everybody: float = 0.0
    personal: float = 0.0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.decisions + other.decisions,
            self.shrunk + other.shrunk,
            self.everybody + other.everybody,
            self.personal + other.personal,
        )

    @property
    def gain(self) -> float:
        """Part by which the mixture's log loss is below everybody's; 0 without decisions."""
        return 1.0 - self.shrunk / self.everybody if self.everybody else 0.0


def score(requests: Iterable[tuple[int, int]], habits: Habits | None = None) -> dict[int, Score]:
    """Return how good the forecasts of each request from the requests before it are.

    Args:
        requests: digests of owner and question, in order; those of nobody, owner 0, are passed over.
        habits: go on from here, and are changed; new ones if not given.

    Returns:
        Scores by the least length of history of their range, in order; ranges without decisions are left out.

    >>> scores = score([(1, 7)] * 100)
    >>> sum(scores.values(), Score()).gain > 0
    True
    """
    habits = Habits() if habits is None else habits
    found = {length: Score() for length in LENGTHS}
    for owner, key in requests:
        noted = habits.note(owner, key) if owner else None
        if noted is None:
            continue
        forecast, again = noted
        known = max(length for length in LENGTHS if length <= forecast.length)
        losses = (_loss(p, again) for p in (forecast.probability, forecast.everybody, forecast.personal))
        found[known] = found[known] + Score(1, *losses)
    return {length: one for length, one in found.items() if one.decisions}


def _loss(probability: float, again: bool) -> float:
    return -log(max(probability if again else 1.0 - probability, _LEAST))
