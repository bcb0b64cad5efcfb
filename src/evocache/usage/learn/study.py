"""When weights are evolved, and on what."""

from __future__ import annotations

from collections.abc import Callable

from ...extras import installed
from ..demand.weights import Weights
from .evolve import Evolved, evolve
from .recent import Recent
from .replay import Window
from .settings import Settings

LEAST = 1000
"""Requests that an evolution needs at the least."""


class Study:
    """Says when an evolution of weights is due, and begins it.

    Where cmaes is missing none ever is: what the package brings decides, with its insurance.

    Args:
        settings: how often.
        seed: seeds the evolutions.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._asked = 0
        self._runs = False
        self._able = settings.evolve_every > 0 and installed("cmaes")

    def asked(self) -> None:
        """Count a request."""
        self._asked += 1

    def due(self, remembered: int) -> bool:
        """Return whether an evolution should begin, with so many requests to look back at."""
        ready = self._asked >= self._settings.evolve_every and remembered >= LEAST
        return self._able and ready and not self._runs

    def begin(self, recent: Recent, champion: Callable[[], Weights], max_bytes: int) -> Callable[[], Evolved] | None:
        """Return an evolution on the latest requests, which needs no lock; None if none is due."""
        if not self.due(len(recent)):
            return None
        self._asked, self._runs = 0, True
        self._seed += 1
        trace, former = recent.trace(), champion()

        def run() -> Evolved:
            generations, population = self._settings.generations, self._settings.population
            try:
                window = Window.of(trace)
                return evolve(
                    window, former, max_bytes, generations=generations, population=population, seed=self._seed
                )
            finally:
                self._runs = False  # also where it failed, so that the next one can begin

        return run
