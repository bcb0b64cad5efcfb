"""Methods of a search: who breeds, and what is given up early. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..genome.memory_genes import Design
from ..genome.search_space import Space
from .nsga2 import Breeder
from .settings import Settings


class Breeds(Protocol):
    """Whoever breeds designs."""

    def ask(self) -> list[Design]:
        """Return the first population; later offspring of the population."""

    def tell(self, designs: Sequence[Design], values: npt.NDArray[np.float64]) -> None:
        """Take values (designs, objectives), lower is better, of designs that were asked for."""

    @property
    def population(self) -> list[Design]:
        """Those that survive."""


MakeBreeder = Callable[[Space, Sequence[Design], Settings, int, Sequence[str]], Breeds]
"""Makes a breeder of a space, its first population, settings, the number of objectives, and what may be stored in."""


@dataclass(frozen=True)
class Method:
    """How a search breeds.

    Attributes:
        name: of the method, as a run's journal holds it.
        breed: makes the breeder.
        gives_up: whether designs that others dominate on the prompts so far are given up.
    """

    name: str
    breed: MakeBreeder
    gives_up: bool = True


def _breed(
    space: Space, first: Sequence[Design], settings: Settings, objectives: int, storages: Sequence[str]
) -> Breeds:
    return Breeder(space, first, settings.population, settings.offspring, objectives, settings.seed, storages)


EVOCACHE = Method("evocache", _breed)
"""Our own: structured operators, and rungs of prompts."""
