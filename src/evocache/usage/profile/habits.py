"""Habits: how probable it is that an owner asks the last question again.

An owner's repeats are counted with weights that fade, and shrunk towards a rate of many owners (a beta-binomial
posterior). How strong the prior is decides from how many requests on an owner's own counts tell more than the rate. No
strength is right for all: many are tried side by side, and a Bayesian mixture weighs them by what they were worth so
far, separately for each length of history. Everybody's rate is one of them and begins with nine tenths of the weight,
so that over any sequence of requests, in each range of lengths, the sum of the mixture's log losses is at most
ln(10/9), 0.11, above that of everybody's rate (Cesa-Bianchi and Lugosi, Prediction, Learning, and Games, 2006, 9.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..demand.rows import Rows

OWNERS = 10_000
"""Owners that are known at the most; those who asked longest ago are forgotten."""

FADE = np.array([0.95, 0.995])
"""What an owner's requests keep of their weight at each further one: changes are seen soon, or chance counts less."""

STRENGTHS = 2.0 ** np.arange(8)
"""Requests that the prior counts as much as."""

FADE_RATE = 0.9998
"""What a request keeps of its weight in the rates of many owners at each further one."""

LENGTHS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Ranges of an owner's number of decisions so far begin with these."""

PRIOR_AGAIN, PRIOR_ASKED = 0.3, 3.0
"""What everybody's rate begins with: three requests, of which 0.3 repeated the one before."""

EVERYBODY = 0.9
"""Weight that everybody's rate begins with; the others share the rest."""

LEAST = 1e-4
"""Least probability of either outcome that is ever forecast."""

_LATEST, _LENGTH = 0, 1
_ASKED, _AGAIN = slice(2, 4), slice(4, 6)
_EXACT = (1 << 53) - 1
"""Digests of questions are told apart by as many bits as a float holds exactly."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Says how probable it is that an owner asks the last question again.

    Attributes:
        probability: the mixture's.
        everybody: everybody's rate.
        personal: the rate of the owner's own requests alone, (repeats + 1/2) / (decisions + 1).
        length: decisions of the owner so far: requests but the first.
    """

    probability: float
    everybody: float
    personal: float
    length: int


class Habits:
    """Learns from requests how probable it is that an owner asks the last question again.

    Args:
        most: owners that are known at the most.

    >>> habits = Habits()
    >>> for question in [7] * 50:
    ...     _ = habits.note(owner=1, key=question)
    >>> for question in range(50):
    ...     _ = habits.note(owner=2, key=question)
    >>> habits.forecast(1).probability > 0.9, habits.forecast(2).probability < 0.1
    (True, True)
    """

    def __init__(self, most: int = OWNERS) -> None:
        self._rows = Rows(6, most)
        self._rates = np.zeros((len(LENGTHS), 2))
        """Requests and repeats by range of length, which fade."""
        self._everybody = np.zeros(2)
        prior = np.full(1 + len(FADE) * len(STRENGTHS), (1.0 - EVERYBODY) / (len(FADE) * len(STRENGTHS)))
        prior[0] = EVERYBODY
        self._weights = np.tile(np.log(prior), (len(LENGTHS), 1))
        """Logarithms of the weights of everybody's rate and of each fade and strength, by range of length."""

    def __len__(self) -> int:
        """Number of owners that are known."""
        return len(self._rows)

    def forecast(self, owner: int) -> Forecast:
        """Return how probable it is that an owner asks the last question again, as everybody where none is known."""
        return self._forecast(self._rows.get(owner))[0]

    def note(self, owner: int, key: int) -> tuple[Forecast, bool] | None:
        """Note a request; return what was forecast, and whether the owner asked the last question again.

        Args:
            owner: digest of who asks, from 1.
            key: digest of the question.

        Returns:
            None for an owner's first request, of which nothing was to be forecast.
        """
        question = float(key & _EXACT or 1)
        place = self._rows.use(owner)
        row = self._rows.table[place]
        latest, row[_LATEST] = row[_LATEST], question
        if not latest:
            return None
        again = bool(latest == question)
        found, rates, which = self._forecast(place)
        self._weights[which] += np.log(rates if again else 1.0 - rates)
        self._weights[which] -= self._weights[which].max()
        fade = np.array([1.0, float(again)])
        self._rates[which] = self._rates[which] * FADE_RATE + fade
        self._everybody = self._everybody * FADE_RATE + fade
        row[_ASKED] = row[_ASKED] * FADE + 1.0
        row[_AGAIN] = row[_AGAIN] * FADE + again
        row[_LENGTH] += 1.0
        return found, again

    def forget(self, owner: int) -> None:
        """Forget an owner. Rates of many, to which that one contributed, stay."""
        self._rows.drop(owner)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return self._rows.nbytes + self._rates.nbytes + self._weights.nbytes

    def _forecast(self, place: int) -> tuple[Forecast, np.ndarray, int]:
        """Return a forecast, the rates that it mixes, shape (17,), and the range of the owner's length."""
        row = self._rows.table[place]
        length = int(row[_LENGTH])
        which = int(np.searchsorted(LENGTHS, length, side="right")) - 1
        asked, again = self._everybody
        everybody = (again + PRIOR_AGAIN) / (asked + PRIOR_ASKED)
        alike = (self._rates[which, 1] + 10.0 * everybody) / (self._rates[which, 0] + 10.0)
        rates = np.empty(self._weights.shape[1])
        rates[0] = everybody
        posterior = (row[_AGAIN, None] + STRENGTHS * alike) / (row[_ASKED, None] + STRENGTHS)
        rates[1:] = posterior.ravel()
        np.clip(rates, LEAST, 1.0 - LEAST, out=rates)
        weights = np.exp(self._weights[which])
        probability = float(weights @ rates / weights.sum())
        own = float((row[_AGAIN][1] + 0.5) / (row[_ASKED][1] + 1.0))
        return Forecast(probability, float(rates[0]), own, length), rates, which
