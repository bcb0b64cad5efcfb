"""What is asked for: a generation, or several of different seeds, and the wishes beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..control.points import PointWishes
from ..workers.task import Picture, Task, Value

SEEDS = 1 << 32
"""How many seeds are drawn from where none is given."""

Level = Literal["low", "medium", "high", "xhigh", "max", "auto"]
"""OpenAI's names of qualities: `max` computes everything, `auto` leaves the choice to the server."""


@dataclass(frozen=True)
class Wishes:
    """What is wished beside the result itself.

    Attributes:
        speedup: least speed-up over uncached.
        quality: least quality: a name, or a number in the measure of the model's front.
        deadline: seconds from its arrival until the answer is of use; None if it may take any.
        cache: `use` stored results and store new ones, `refresh` stores only, `off` does neither.
        learn: whether its prompt may be kept to learn from.
    """

    speedup: float | None = None
    quality: Level | float | None = None
    deadline: float | None = None
    cache: Literal["use", "refresh", "off"] = "use"
    learn: bool = False


@dataclass(frozen=True)
class GenerationRequest:
    """What is asked for.

    Attributes:
        model: name of the model.
        arguments: of the pipeline's call, by its own names.
        pictures: given ones, by the pipeline's own names.
        seed: of the first; those after it have the numbers after it. None if any will do.
        count: how many are made.
        wishes: beside it.
        loras: LoRAs of the model that act, with their weights; None for the usual weight of one (`requests.fit.check`).
    """

    model: str
    arguments: Mapping[str, Value]
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    seed: int | None = None
    count: int = 1
    wishes: Wishes = field(default_factory=Wishes)
    loras: Mapping[str, float | None] = field(default_factory=dict)

    def task(self, id: str = "", seed: int = 0) -> Task:
        """Return one of what is asked for, as it was checked, as a task.

        Args:
            id: of the task.
            seed: of the task.
        """
        loras = {name: weight for name, weight in self.loras.items() if weight is not None}
        return Task(id, self.model, self.arguments, seed, self.pictures, loras=loras)

    @property
    def point_wishes(self) -> PointWishes:
        """What the dispatcher is told of the wishes."""
        return PointWishes(self.wishes.speedup, self.wishes.quality, self.wishes.deadline)

    @property
    def bytes(self) -> int:
        """Bytes of the pictures that came with it."""
        return sum(len(picture.pixels) for picture in self.pictures.values())
