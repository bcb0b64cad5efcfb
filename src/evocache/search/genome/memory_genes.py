"""Memory genes: what a search varies beside the schedule, how it is inherited, and what it costs. Pure.

A design is a schedule and how its generations are kept small. What features are stored in changes what is generated,
and is evaluated; how far memory is pressed down does not, since planned generations are exact: it is priced alone, and
one evaluation serves all designs of a schedule and a storage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from ...schedule import Schedule
from .search_space import Space
from .variation import Rng, cross, mutate

PEAK = "peak"
"""Name of the objective that genes are for: predicted bytes of a whole generation when most is held."""

DIGITS = 3
"""Digits of a level."""

RESTORED, RELEVELLED = 0.15, 0.4
"""How often a mutation changes the storage, and the level."""


@dataclass(frozen=True)
class Genes:
    """How a design is kept small.

    Attributes:
        storage: the coding that features are stored in (see `memory.quantization`).
        level: what a generation may hold: from 0, the least that any plan reaches, to 1, what it holds as it is. None
            leaves it as it is, as far as limits allow.
    """

    storage: str = "none"
    level: float | None = None


AS_IT_IS = Genes()


@dataclass(frozen=True)
class Design:
    """An individual of a search: a schedule, and how its generations are kept small."""

    schedule: Schedule
    genes: Genes = AS_IT_IS

    @cached_property
    def digest(self) -> str:
        """A short name of the design; that of the schedule where its genes change nothing."""
        return self.evaluated + ("" if self.genes.level is None else f"@{self.genes.level:g}")

    @cached_property
    def evaluated(self) -> str:
        """A short name of what its quality depends on: all but the level."""
        return self.schedule.digest + ("" if self.genes.storage == "none" else f"+{self.genes.storage}")

    def with_schedule(self, schedule: Schedule) -> Design:
        """Return the same genes with another schedule."""
        return Design(schedule, self.genes)

    def with_level(self, level: float | None) -> Design:
        """Return the same at another level."""
        return Design(self.schedule, replace(self.genes, level=level))


def strip_memory(design: Design) -> Design:
    """Return the design's schedule, left as it is."""
    return Design(design.schedule)


class MemoryPrice(NamedTuple):
    """What a design costs beside its schedule.

    Attributes:
        peak: predicted bytes of the whole generation when most is held.
        seconds: predicted time that keeping small adds to it.
        budget: bytes that its plan was made for; None where nothing is planned.
    """

    peak: int
    seconds: float
    budget: int | None


@dataclass(frozen=True)
class Memory:
    """What a search varies of memory, and at what price.

    Attributes:
        memory_price: of a design.
        storages: what features may be stored in, `none` among them.
        first: designs to start from, beside the schedules as they are.
    """

    memory_price: Callable[[Design], MemoryPrice]
    storages: Sequence[str] = ("none",)
    first: Sequence[Design] = field(default_factory=tuple)

    def priced(self, memory_price: MemoryPrice, prices: Mapping[str, float]) -> dict[str, float]:
        """Return the prices of a schedule as those of a design: what keeping small takes is added, and the peak."""
        added = {"latency": memory_price.seconds}
        return {
            **{name: value + added.get(name, 0.0) for name, value in prices.items()},
            PEAK: float(memory_price.peak),
        }


def list_siblings(design: Design) -> list[Design]:
    """Return what needs no evaluation once a design has had one: itself, as it is, and as small as can be."""
    found = [design, design.with_level(None), design.with_level(0.0)]
    return list({sibling.digest: sibling for sibling in found}.values())


def mutate_design(design: Design, space: Space, rng: Rng, storages: Sequence[str] = ()) -> Design:
    """Return a neighbour of a design: another schedule, and sometimes other genes where storages can be chosen."""
    schedule = mutate(design.schedule, space, rng)
    return Design(schedule, mutate_genes(design.genes, rng, storages) if storages else design.genes)


def cross_designs(mother: Design, father: Design, space: Space, rng: Rng, storages: Sequence[str] = ()) -> Design:
    """Return a child of two designs; either of its genes is one of theirs."""
    schedule = cross(mother.schedule, father.schedule, space, rng)
    return Design(schedule, cross_genes(mother.genes, father.genes, rng) if storages else mother.genes)


def mutate_genes(genes: Genes, rng: Rng, storages: Sequence[str]) -> Genes:
    """Draw genes near to given ones: as a rule the same."""
    others = [storage for storage in storages if storage != genes.storage]
    storage = str(rng.choice(others)) if others and rng.random() < RESTORED else genes.storage
    level = genes.level if rng.random() >= RELEVELLED else _level(genes.level, rng)
    return Genes(storage, level)


def cross_genes(mother: Genes, father: Genes, rng: Rng) -> Genes:
    """Draw genes each of which is one of the parents'."""
    storage, level = (mother if rng.random() < 0.5 else father for _ in range(2))
    return Genes(storage.storage, level.level)


def _level(level: float | None, rng: Rng) -> float | None:
    """Another level: any for one that had none, else one nearby, or none."""
    if level is None:
        return round(float(rng.random()), DIGITS)
    if rng.random() < 0.2:
        return None
    return round(min(1.0, max(0.0, level + float(rng.normal(0, 0.2)))), DIGITS)
