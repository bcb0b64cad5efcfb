"""What jobs hold: weights once, features of each that is open, and what a batch computes with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ....errors import BudgetError
from ....runtime.estimate.estimate import plan_memory


class Reservation(NamedTuple):
    """What a job holds beside the weights, in bytes, when most is.

    Attributes:
        features: what is cached for it.
        activations: what its calls compute with, its latents included.
    """

    features: int
    activations: int


def reservation(pipe: Any, arguments: Mapping[str, Any], what: Any, most: int) -> Reservation:
    """Return what a call of a pipeline holds beside the weights; it is planned, nothing is computed.

    Raises:
        BudgetError: if that is more than there is.
        PipelineError: if the pipeline refuses the call.
    """
    stages = plan_memory(pipe, arguments, what).as_it_is.stages
    features = max(held.features for held in stages.values())
    found = Reservation(features, max(held.activations for held in stages.values()))
    if sum(found) > most:
        raise BudgetError(most, {name: held.activations + held.features for name, held in stages.items()})
    return found


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
        self._left = None if most is None else most - weights

    def fits(self, job: Reservation, open: Collection[Reservation]) -> bool:
        """Return whether a job may begin beside those that are open: all features, and one of them computing."""
        if self._left is None:
            return True
        features = job.features + sum(each.features for each in open)
        return features + max(each.activations for each in (job, *open)) <= self._left

    def together(self, jobs: Collection[Reservation], open: Collection[Reservation]) -> bool:
        """Return whether jobs may be computed in one batch while others are open."""
        if self._left is None:
            return True
        return sum(each.features for each in open) + sum(each.activations for each in jobs) <= self._left

    @property
    def left(self) -> int | None:
        """Bytes beside the weights; None if there is no limit."""
        return self._left
