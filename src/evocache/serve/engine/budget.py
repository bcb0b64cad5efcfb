"""The memory of an engine: how its jobs are run within it, and which of them have room at the same time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from ...runtime.estimate.residency import weights
from .job import Job
from .prepared import Prepared
from .running import Running
from .turns.known_plans import KnownPlans, Own
from .turns.reservations import Reservation, Room


class Budget:
    """The bytes that an engine may hold.

    Args:
        pipelines: by name.
        prepared: chooses what jobs ask for.
        most: bytes; None if there is no limit.
        own: returns a copy of a pipeline, on whose components some LoRAs act.

    Raises:
        BudgetError: if the weights alone are more.
    """

    def __init__(self, pipelines: Mapping[str, Any], prepared: Prepared, most: int | None, own: Own) -> None:
        self._pipelines, self._prepared = pipelines, prepared
        self._known = KnownPlans(own)
        self._weights: dict[str, int] = {}
        self._room = Room(most, self._weighed())

    def weigh(self) -> None:
        """Count the weights anew: a pipeline is another than it was."""
        self._room.weigh(self._weighed())

    def _weighed(self) -> int:
        """Bytes of all weights, where pipelines may share some; those of each pipeline are kept."""
        self._weights = {name: sum(weights(pipe).values()) for name, pipe in self._pipelines.items()}
        counted: set[int] = set()
        return sum(sum(weights(pipe, counted).values()) for pipe in self._pipelines.values())

    def settle(self, job: Job) -> Reservation:
        """Choose what a job is run with, and return what it holds.

        Raises:
            BudgetError: if it cannot be made to fit.
            Exception: what `evocache.apply` raises for what is asked for.
        """
        name = job.request.model
        choose = partial(self._prepared.choose, name)
        return job.means.settle(self._pipelines[name], choose, self._room.left, self._weights[name], self._known)

    def has_room(self, job: Job, running: Collection[Running]) -> bool:
        """Return whether a job may begin beside those that run."""
        if not running or self._room.left is None:
            return True
        try:
            needs = self.settle(job)
        except Exception:  # raised anew where it begins, and told to whom it concerns
            return True
        return self._room.fits(needs, [one.job.means.needs for one in running])

    def fits(self, ones: Collection[Running], running: Collection[Running]) -> bool:
        """Return whether jobs may be computed in one turn, beside what others that run keep or are in the middle of."""
        if self._room.left is None:
            return True
        paused = [one for one in running if one.paused and one not in ones]
        chosen = [one.job.means.needs for one in (*ones, *paused)]
        return self._room.together(chosen, [one.job.means.needs for one in running])

    def tighten(self, job: Job) -> bool:
        """Have a job run under a plan that holds less; whether there is one."""
        return job.means.tighten(self._pipelines[job.request.model], self._known)
