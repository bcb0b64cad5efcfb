"""The memory of an engine: how its jobs are run within it, and which of them have room at the same time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ...errors import BudgetError
from ...model.pipeline_components import list_modules
from ...runtime.estimate.residency import weights
from .job import Job
from .prepared import Prepared
from .running import Running
from .turns.known_plans import KnownPlans, Own
from .turns.reservations import Reservation, Room
from .weights.shelf import Shelf


class Memory(NamedTuple):
    """What an engine may hold.

    Attributes:
        most: bytes; None if there is no limit.
        shelf: where weights wait that do not fit beside others; None if all are there at the same time.
        told: called, in any thread, when weights have come that jobs wait for.
        conditioning: bytes that outputs of encoders may take; of these, where they are not beside those of a GPU.
    """

    most: int | None
    shelf: Shelf | None = None
    told: Callable[[], None] = lambda: None
    conditioning: int = 0


class Budget:
    """The bytes that an engine may hold.

    Args:
        pipelines: by name.
        prepared: chooses what jobs ask for.
        memory: what there is.
        own: returns a copy of a pipeline, on whose components some LoRAs act.

    Raises:
        BudgetError: if the weights alone, beside what is to be kept of encoders, are more; with a shelf, those of one
            pipeline.
    """

    def __init__(self, pipelines: Mapping[str, Any], prepared: Prepared, memory: Memory, own: Own) -> None:
        self._pipelines, self._prepared = pipelines, prepared
        self._shelf, self._told = memory.shelf, memory.told
        self._most = _most_of(memory, pipelines)
        self._known = KnownPlans(own)
        self._weights: dict[str, int] = {}
        self._room = Room(self._most, self._weighed())

    def weigh(self) -> None:
        """Count the weights anew: a pipeline is another than it was."""
        self._room.weigh(self._weighed())

    def _weighed(self) -> int:
        """Bytes of all weights that are there together; those of each pipeline are kept."""
        if self._shelf is not None:
            self._shelf.add(self._pipelines)
            self._weights = {name: self._shelf.own_bytes_of(name) for name in self._pipelines}
            return self._shelf.least
        self._weights = {name: sum(weights(pipe).values()) for name, pipe in self._pipelines.items()}
        counted: set[int] = set()
        return sum(sum(weights(pipe, counted).values()) for pipe in self._pipelines.values())

    def _beside(self, names: Collection[str]) -> Room:
        """The room beside weights of some pipelines, and those that cannot leave; beside all, if all are there."""
        if self._shelf is not None:
            self._room.weigh(self._shelf.least_with(names))
        return self._room

    def settle(self, job: Job) -> Reservation:
        """Choose what a job is run with, and return what it holds.

        Raises:
            BudgetError: if it cannot be made to fit.
            Exception: what `evocache.apply` raises for what is asked for.
        """
        name = job.request.model
        choose, left = partial(self._prepared.choose, name), self._beside([name]).left
        return job.means.settle(self._pipelines[name], choose, left, self._weights[name], self._known)

    def begin(self, job: Job) -> None:
        """Choose what a job is run with, as `settle` does, note what is to be said, and count a use of its pipeline."""
        self.settle(job)
        for text in job.means.notices:
            job.note(text)
        seconds = None if self._shelf is None else self._shelf.use(job.request.model)
        if seconds is not None:
            job.note(f"the weights of its model had been put aside, and took {seconds:.2f} s to come back")

    def has_room(self, job: Job, running: Collection[Running]) -> bool:
        """Return whether a job may begin beside those that run; weights that it lacks are on their way then."""
        open = [one.job.means.needs for one in running]
        names = {job.request.model, *(one.job.request.model for one in running)}
        try:
            if self._shelf is not None and not self._bring(self._shelf, job, names, open):
                return False
            if self._room.left is None or (self._shelf is None and not running):
                return True
            needs = self.settle(job)
            if self._shelf is not None:
                return self._shelf.make_room(self._room_for([needs, *open]), names) or not running
        except Exception as error:  # raised anew where it begins, and told to whom it concerns
            job.means.refuse(error)
            return True
        return self._room.fits(needs, open)

    def _bring(self, shelf: Shelf, job: Job, names: Collection[str], open: Sequence[Reservation]) -> bool:
        """Whether the weights of a job are there; if there is room for them they are brought meanwhile.

        Raises:
            BudgetError: if there is none, and nobody else who would leave some.
        """
        name = job.request.model
        if shelf.has(name):
            return True
        needs = shelf.coming_bytes_of(name) if open else shelf.bytes_of([name])  # nothing else is held that is reserved
        if not shelf.awaits:
            if shelf.make_room(self._room_for(open) - needs, names):
                shelf.bring(name, self._told)
            elif not open:  # they have grown since they were weighed at first
                raise BudgetError(self._room_for(open), {"weights": shelf.least_with([name])})
        return False

    def _room_for(self, jobs: Sequence[Reservation]) -> int:
        """Most bytes of weights beside jobs that are open."""
        most = 1 << 62 if self._most is None else self._most
        return most - sum(job.kept for job in jobs) - max((job.computing for job in jobs), default=0)

    def fits(self, ones: Collection[Running], running: Collection[Running]) -> bool:
        """Return whether jobs may be computed in one turn, beside what others that run keep or are in the middle of."""
        if self._room.left is None:
            return True
        if self._shelf is not None:
            self._room.weigh(self._shelf.held)
        paused = [one for one in running if one.paused and one not in ones]
        chosen = [one.job.means.needs for one in (*ones, *paused)]
        return self._room.together(chosen, [one.job.means.needs for one in running])

    @property
    def awaits(self) -> bool:
        """Whether weights are on their way that jobs wait for."""
        return self._shelf is not None and self._shelf.awaits

    def tighten(self, job: Job) -> bool:
        """Have a job run under a plan that holds less; whether there is one."""
        return job.means.tighten(self._pipelines[job.request.model], self._known)


def _most_of(memory: Memory, pipelines: Mapping[str, Any]) -> int | None:
    """Bytes beside what is kept of encoders: that is on the host, so beside what is on a GPU."""
    if memory.most is None or not memory.conditioning:
        return memory.most
    parts = [part for pipe in pipelines.values() for part in list_modules(pipe).values()]
    places = {weight.device.type for part in parts for weight in part.parameters()}
    if places == {"cuda"}:
        return memory.most
    if memory.conditioning >= memory.most:
        raise BudgetError(memory.most, {"what is kept of encoders": memory.conditioning})
    return memory.most - memory.conditioning
