"""Weights evolve on the past, and take over only if they are better on what they were not evolved on."""

from __future__ import annotations

import numpy as np
import pytest

from evocache.usage.demand.weights import Weights
from evocache.usage.learn.evolve import LEAD, Evolved, evolve, worths
from evocache.usage.learn.replay import Window, replay
from evocache.usage.policies.trace import Trace

pytest.importorskip("cmaes", reason="weights are evolved by the package cmaes")

AGAINST = Weights(now=-9, long=-9, recent=-9, age_exponent=2.0)
"""Weights that keep what was not asked for longest: wrong for keys whose popularity stays."""


def popular(count: int, seed: int) -> Trace:
    draw = np.random.default_rng(seed)
    return Trace.of(draw.zipf(1.2, count) % 800 + 1, size=10, seconds=draw.uniform(0.5, 2, count))


def test_it_finds_better_weights_than_bad_ones():
    window = Window.of(popular(2000, 1))
    found = evolve(window, AGAINST, 500, generations=4, population=8)
    assert found.better
    assert found.challenger > found.champion * 1.05
    assert found.former == AGAINST
    later = Window.of(popular(2000, 2))
    before, after = replay(later, np.stack([AGAINST.vector(), found.weights.vector()]), 500).mean(axis=1)
    assert after > before


def test_its_start_is_never_lost():
    """A generation of wild candidates around good weights may find nothing better; then the start is what is judged."""
    good = Weights(long=2.0)
    found = evolve(Window.of(popular(1500, 3)), good, 500, generations=1, population=4, seed=5)
    assert found.weights == good or found.challenger != found.champion
    assert found.challenger >= found.champion * 0.9


def test_the_lead_is_needed():
    def found(challenger: float) -> Evolved:
        return Evolved(Weights(), Weights(), 0.5, challenger, 100, 1)

    assert not found(0.5 * (1 + LEAD)).better
    assert found(0.5 * (1 + 2 * LEAD)).better


def test_the_part_that_is_judged_is_not_evolved_on():
    """What is asked for at the end alone does not change which weights are found."""
    first = popular(1000, 6)
    trace = Trace.of(np.concatenate([first.key[:700], np.arange(10_000, 10_300)]), size=10)
    other = Trace.of(np.concatenate([first.key[:700], np.full(300, 5)]), size=10)
    found, again = (evolve(Window.of(t), AGAINST, 500, generations=2, population=6) for t in (trace, other))
    assert found.weights == again.weights
    assert found.challenger != again.challenger


def test_a_hit_is_worth_its_number_and_its_seconds():
    window = Window.of(Trace.of([1, 2, 3, 4], seconds=[1.0, 1.0, 2.0, 4.0]))
    worth = worths(window)
    assert worth.sum() == pytest.approx(1)
    assert worth.tolist() == pytest.approx([0.5 / 4 + 0.5 * s / 8 for s in (1, 1, 2, 4)])
    assert worths(Window.of(Trace.of([1, 2], seconds=0.0))).sum() == pytest.approx(1)
