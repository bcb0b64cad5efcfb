"""What jobs hold: weights once, what each that is open keeps, and what a batch computes with."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ....errors import BudgetError


class Reservation(NamedTuple):
    """What a job holds beside the weights, in bytes, when most is.

    Attributes:
        features: what is cached for it.
        activations: what it holds besides where a call of it computes, its latents included.
        waiting: what of that is held between its calls: latents, embeddings, arguments.
    """

    features: int
    activations: int
    waiting: int = 0

    @property
    def kept(self) -> int:
        """What it holds while others compute."""
        return self.features + self.waiting

    @property
    def computing(self) -> int:
        """What a call of it takes besides."""
        return self.activations - self.waiting


class Room:
    """The bytes that an engine may hold, and what of them is reserved.

    Args:
        most: bytes; None if there is no limit.
        weights: of all pipelines.

    Raises:
        BudgetError: if the weights alone are more.
    """

    def __init__(self, most: int | None, weights: int) -> None:
        if most is not None and weights > most:
            raise BudgetError(most, {"weights": weights})
        self._most = most
        self.weigh(weights)

    def weigh(self, weights: int) -> None:
        """Take the weights for other ones, whose bytes are told; what they leave may be less than nothing then."""
        self._left = None if self._most is None else self._most - weights

    def fits(self, job: Reservation, open: Collection[Reservation]) -> bool:
        """Return whether a job may begin beside those that are open: what all keep, and one of them computing."""
        if self._left is None:
            return True
        all_of_them = [job, *open]
        return sum(each.kept for each in all_of_them) + max(each.computing for each in all_of_them) <= self._left

    def together(self, jobs: Collection[Reservation], open: Collection[Reservation]) -> bool:
        """Return whether jobs may be computed in one batch while others are open."""
        if self._left is None:
            return True
        return sum(each.kept for each in open) + sum(each.computing for each in jobs) <= self._left

    @property
    def left(self) -> int | None:
        """Bytes beside the weights; None if there is no limit."""
        return self._left
