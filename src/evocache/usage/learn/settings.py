"""How a policy learns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Says how readily another policy takes over, and how weights evolve.

    Attributes:
        half_life: requests of the shadows after which a gain counts half.
        margin: by which part of its gain the best has to be better than what decides.
        first: requests before the first decision.
        every: requests between two looks at the gains.
        evolve_every: requests between two evolutions of weights; 0 for none.
        generations: of an evolution.
        population: candidates of a generation.
    """

    half_life: int = 500
    margin: float = 0.03
    first: int = 300
    every: int = 50
    evolve_every: int = 2000
    generations: int = 5
    population: int = 10
