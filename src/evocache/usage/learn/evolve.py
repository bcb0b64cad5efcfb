"""Evolution of the weights of demand on the recent past, by CMA-ES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...extras import optional
from ..demand.weights import Weights
from .replay import Window, replay

TRAIN = 0.7
"""Part of a window that weights are evolved on; they are judged on the rest."""

WARM = 0.15
"""Part of a window at its beginning that fills the cache and does not count."""

LEAD = 0.003
"""By how much of its gain a challenger has to be better than the champion on the part that it was not evolved on."""

DRAWS = 3
"""How often both are replayed with other draws to judge."""

SAMPLES = 16
"""Entries that a replay looks at to find one that leaves: half of those of the policy, for half of the time."""

SPREAD = 0.5
"""Standard deviation of the first generation around the champion."""


@dataclass(frozen=True)
class Evolved:
    """Says what an evolution found.

    Attributes:
        weights: the challenger's.
        former: the champion's.
        champion: gain of the champion on the part that is judged.
        challenger: gain of the challenger there.
        judged: requests of that part.
        evaluations: replays that were made.
    """

    weights: Weights
    former: Weights
    champion: float
    challenger: float
    judged: int
    evaluations: int

    @property
    def better(self) -> bool:
        """Whether the challenger takes over."""
        return self.challenger > self.champion * (1 + LEAD)


def evolve(
    window: Window,
    champion: Weights,
    max_bytes: int,
    *,
    generations: int = 5,
    population: int = 10,
    seed: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> Evolved:
    """Evolve weights on the first 70 % of a window, and judge the best against the champion on the rest.

    Args:
        window: recent requests, in order.
        champion: the weights that decide now, which the evolution begins with.
        max_bytes: bytes that may be held.
        generations: of CMA-ES (Hansen, The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772).
        population: candidates a generation.
        seed: seeds the draws.
        stop: asked after each generation; the best so far is judged then.

    Raises:
        DependencyError: if the package cmaes is missing.
    """
    begin, cut = int(WARM * len(window)), int(TRAIN * len(window))
    past, worth = window.first(cut), worths(window)
    search = optional("cmaes").CMA(mean=champion.vector(), sigma=SPREAD, population_size=population, seed=seed)
    best, best_gain, evaluations = champion.vector(), -np.inf, 0
    for generation in range(generations):
        vectors = np.array([search.ask() for _ in range(population)])
        if generation == 0:
            vectors[0] = champion.vector()  # a start is never lost
        hits = replay(past, vectors, max_bytes, seed=seed, samples=SAMPLES)
        gains = hits[:, begin:] @ worth[begin:cut]
        evaluations += len(vectors)
        search.tell([(vector, -gain) for vector, gain in zip(vectors, gains, strict=True)])
        if gains.max() > best_gain:
            best, best_gain = vectors[gains.argmax()], float(gains.max())
        if stop():
            break
    both = np.stack([champion.vector(), best])
    judged = np.zeros(2)
    for draw in range(DRAWS):
        judged += replay(window, both, max_bytes, seed=seed + 1 + draw, samples=SAMPLES)[:, cut:] @ worth[cut:] / DRAWS
    before, after = map(float, judged)
    found = Weights.from_vector(best)
    return Evolved(found, champion, before, after, len(window) - cut, evaluations + 2 * DRAWS)


def worths(window: Window) -> NDArray[np.float64]:
    """Return what a hit on each request is worth: half by number, half by seconds; they sum to one."""
    count, seconds = len(window), float(window.seconds.sum())
    shares = window.seconds / seconds if seconds else np.full(count, 1 / max(count, 1))
    return np.asarray(0.5 / max(count, 1) + 0.5 * shares)
