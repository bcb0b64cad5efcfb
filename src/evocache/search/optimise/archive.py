"""The archive of a search: the designs that were evaluated, with their errors and prices. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ...schedule import Schedule
from ...schedule.front import Point
from ...schedule.front.front import front_of
from ..genome.memory_genes import Design, Memory, MemoryPrice, list_siblings
from ..objectives import ERROR
from .nsga2 import choose_best

Price = Callable[[Schedule], Mapping[str, float]]
"""The objectives of a schedule that need no evaluation."""


class Archive:
    """Designs that were evaluated.

    Args:
        price: the objectives of a schedule that need no evaluation.
        memory: what may vary of memory; None where only schedules are searched.
        limits: most that a priced objective may be.
        steps: of the uncached generation.
        population: how many of a large front are looked at.

    Attributes:
        errors: (prompts,) of what was evaluated, by `Design.evaluated`.
        designs: those that went through all prompts, by digest, in the order in which they did.
        names: of their objectives, in order; empty until a design has been priced.
    """

    def __init__(
        self, price: Price, memory: Memory | None, limits: Mapping[str, float], steps: int, population: int
    ) -> None:
        self.errors: dict[str, npt.NDArray[np.float64]] = {}
        self.designs: dict[str, Design] = {}
        self.names: tuple[str, ...] = ()
        self.memory = memory
        self._price, self._limits, self._steps, self._population = price, limits, steps, population
        self._prices: dict[str, Mapping[str, float]] = {}
        self._memory_prices: dict[str, MemoryPrice] = {}

    def price(self, design: Design) -> Mapping[str, float]:
        """Return a design's objectives but the error."""
        if design.digest not in self._prices:
            prices = self._price(design.schedule)
            if self.memory is not None:
                self._memory_prices[design.digest] = self.memory.memory_price(design)
                prices = self.memory.priced(self._memory_prices[design.digest], prices)
            self._prices[design.digest] = prices
            self.names = self.names or (ERROR, *prices)
        return self._prices[design.digest]

    def values(self, design: Design, prompts: list[int] | None = None) -> tuple[float, ...]:
        """Return the objectives of a design that was evaluated; its error is that of some prompts, or of all."""
        errors = self.errors[design.evaluated]
        mean = float(errors.mean() if prompts is None else errors[prompts].mean())
        return (mean, *self.price(design).values())

    def table(self, designs: Sequence[Design], prompts: list[int] | None = None) -> npt.NDArray[np.float64]:
        """Return the values of designs as an array (designs, objectives)."""
        return np.array([self.values(design, prompts) for design in designs]).reshape(len(designs), len(self.names))

    def is_within_limits(self, design: Design) -> bool:
        """Return whether a design keeps the limits."""
        priced = self.price(design)
        return all(priced[name] <= most for name, most in self._limits.items())

    def is_uncached(self, design: Design) -> bool:
        """Return whether it is what all is held against; what computes everything at fewer steps is not."""
        return design.schedule.is_full and design.schedule.steps == self._steps

    def add_siblings(self, designs: Sequence[Design]) -> list[Design]:
        """Return designs, and those that cost nothing once they are evaluated."""
        if self.memory is None:
            return list(designs)
        given = {design.digest for design in designs}
        found = {other.digest: other for design in designs for other in list_siblings(design)}
        return [design for digest, design in found.items() if digest in given or digest not in self.designs]

    def add(self, designs: Sequence[Design]) -> None:
        """Add designs whose errors are known."""
        self.designs |= {design.digest: design for design in designs if design.digest not in self.designs}

    def points(self) -> list[Point]:
        """Return all designs as points, in their order."""
        return [self._point(design) for design in self.designs.values()]

    def front(self) -> list[Design]:
        """Return designs that no other dominates, from the worst to the best; of many, those that lie apart."""
        points = self.points()
        owners = {id(point): design for point, design in zip(points, self.designs.values(), strict=True)}
        front = [owners[id(point)] for point in front_of(points, self.names)]
        if self.memory is None:
            return front
        # one evaluation may have put many designs there, and hypervolumes of many take long
        front = list({design.evaluated: design for design in reversed(front)}.values())[::-1]
        return [front[i] for i in choose_best(self.table(front), self._population)]

    def _point(self, design: Design) -> Point:
        objectives = dict(zip(self.names, self.values(design), strict=True))
        budget = self._memory_prices[design.digest].budget if self.memory is not None else None
        return Point(design.schedule, objectives, storage=design.genes.storage, budget=budget)
