"""The weights of demand: ten numbers that evolve."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Weights:
    """Says how much each cause of demand counts.

    Attributes:
        now: natural logarithm of the weight of the key's count with a short half-life.
        long: the same of its count with a long half-life.
        group_now: the same of the count of the key's group with a short half-life.
        group_long: the same of the count of its group with a long half-life.
        owner: the same of the rate at which its owner, whose last question it was, asks that again.
        recent: the same of one over its age.
        always: the same of what every key has.
        age_exponent: power of the age in the score.
        seconds_exponent: power of the seconds that computing takes.
        bytes_exponent: power of the bytes, which counts against an entry.
    """

    now: float = 0.0
    long: float = 0.0
    group_now: float = -2.0
    group_long: float = -3.0
    owner: float = 2.0
    recent: float = 0.0
    always: float = -8.0
    age_exponent: float = 0.0
    seconds_exponent: float = 1.0
    bytes_exponent: float = 1.0

    def vector(self) -> NDArray[np.float64]:
        """Return the numbers in order, shape (10,)."""
        return np.array(astuple(self), dtype=np.float64)

    def factors(self) -> Factors:
        """Return the numbers as the formula takes them."""
        vector = self.vector()
        return Factors(np.exp(vector[:CAUSES]), vector[CAUSES:])

    @classmethod
    def from_vector(cls, vector: Iterable[float]) -> Weights:
        """Return the weights that a vector of shape (10,) holds."""
        return cls(*map(float, vector))


CAUSES = 7
"""How many of the weights are logarithms of causes, the first ones; the others are exponents."""

COUNT = len(fields(Weights))
"""How many weights there are."""


@dataclass(frozen=True, eq=False)
class Factors:
    """Holds weights as the formula takes them.

    Attributes:
        factors: weights of the causes themselves, shape (7,).
        exponents: powers of age, seconds and bytes, shape (3,).
    """

    factors: NDArray[np.float64]
    exponents: NDArray[np.float64]
