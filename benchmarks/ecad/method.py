"""The search of ECAD as a method that `Run` takes, and the settings of its paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.ecad.breeder import BinaryBreeder, BinaryDesigns
from evocache.search.genome.memory_genes import Design
from evocache.search.genome.search_space import Space
from evocache.search.optimise.method import Method
from evocache.search.optimise.settings import Settings


def ecad_settings(**others: Any) -> Settings:
    """Return the settings of the paper: a population of 72, all of which is bred anew, and no rungs."""
    return Settings(**{"population": 72, "offspring": 72, "rungs": (), "polish": 0, **others})


def breed(
    space: Space, first: Sequence[Design], settings: Settings, objectives: int, storages: Sequence[str]
) -> BinaryDesigns:
    """Return the paper's breeder, which varies no memory."""
    assert not storages, "ECAD varies no memory"
    schedules = [design.schedule for design in first]
    return BinaryDesigns(BinaryBreeder(space, schedules, settings.population, objectives, settings.seed))


ECAD = Method("ecad", breed, gives_up=False)
