"""What does best now decides; weights go on evolving; every change is written down and can be taken back."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from evocache.usage.demand.weights import Weights
from evocache.usage.learn import adaptive as module
from evocache.usage.learn.adaptive import EVOLVED, Adaptive
from evocache.usage.learn.settings import Settings
from evocache.usage.learn.shadows import MOST, Shadows
from evocache.usage.policies.lru import LRU
from evocache.usage.policies.policy import Item
from evocache.usage.policies.ranked.gdsf import GDSF
from evocache.usage.policies.s3fifo import S3FIFO
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace

STILL = Settings(evolve_every=0)

WRONG = {"wrong": Weights(now=-9, long=-9, recent=-9, always=0, age_exponent=3)}
"""A score that keeps what was not asked for longest."""


def popular(count: int = 6000, seed: int = 1) -> Trace:
    draw = np.random.default_rng(seed)
    return Trace.of(draw.zipf(1.15, count) % 2000 + 1, size=10, owner=draw.integers(1, 9, count))


def loop(count: int = 6000, keys: int = 100) -> Trace:
    return Trace.of(np.arange(count) % keys + 1, size=10)


@pytest.mark.parametrize("trace", [popular(), loop()], ids=["popular", "loop"])
def test_with_a_wrong_score_it_is_about_as_good_as_its_insurance(trace):
    best = max(simulate(kind(700), trace).hit[2000:].mean() for kind in (LRU, GDSF, S3FIFO))
    policy = Adaptive(700, weights=WRONG, settings=STILL)
    assert simulate(policy, trace).hit[2000:].mean() > best - 0.01


def test_with_its_own_weights_it_is_better_than_all_of_them():
    for trace in (popular(), loop()):
        best = max(simulate(kind(700), trace).hit[1000:].mean() for kind in (LRU, GDSF, S3FIFO))
        assert simulate(Adaptive(700, settings=STILL), trace).hit[1000:].mean() > best


def test_who_takes_over_is_written_down_and_holds_what_was_held():
    policy = Adaptive(700, weights=WRONG, settings=STILL)
    held: set[int] = set()
    for now, key in enumerate(popular().key.tolist(), 1):
        before, decider = set(held), policy.decider
        if key in policy:
            policy.hit(key, now)
        else:
            gone = policy.add(Item(key, 10), now)
            held = (held | {key}) - set(gone)
        if policy.decider != decider:
            assert len(before - held) <= 1  # nobody left because of that
        assert {item.key for item in policy.items()} == held
    first = policy.audit.read()[0]
    assert (first.before, policy.decider, policy.since) == ("wrong", policy.audit.read()[-1].after, policy.since)
    assert first.gain_after > first.gain_before
    assert "instead of wrong" in str(first)


def test_weights_evolve_take_over_and_are_taken_back():
    pytest.importorskip("cmaes", reason="weights are evolved by the package cmaes")
    settings = Settings(evolve_every=1500, generations=3, population=8)
    policy = Adaptive(700, weights=WRONG, settings=settings)
    simulate(policy, popular())
    changes = [d for d in policy.audit.read() if d.weights is not None]
    assert changes
    assert changes[0].weights == WRONG["wrong"]
    assert changes[0].gain_after > changes[0].gain_before
    assert EVOLVED in policy.shadows.of
    assert policy.rollback()
    assert policy.shadows.of[EVOLVED].policy.weights == changes[-1].weights
    assert policy.audit.read()[-1].reason == "taken back by hand"
    assert not Adaptive(700, settings=STILL).rollback()


def test_learning_behind_waits_for_its_lesson_and_comes_to_the_same():
    """With a lesson after each request the decisions are those of learning at once."""
    trace, lock = popular(2500), threading.RLock()
    at_once, behind = (Adaptive(700, weights=WRONG, settings=STILL) for _ in range(2))
    behind.behind = True
    for now, key in enumerate(trace.key.tolist(), 1):
        said = []
        for policy in (at_once, behind):
            said.append(policy.hit(key, now) if key in policy else policy.add(Item(key, 10), now))
        assert said[0] == said[1]
        lesson = behind.lesson(lock)
        assert lesson is not None
        lesson()
    assert behind.lesson(lock) is None
    assert [d.after for d in behind.audit.read()] == [d.after for d in at_once.audit.read()] != []


def test_what_it_keeps_of_an_owner_is_forgotten():
    policy = Adaptive(700, settings=STILL)
    simulate(policy, Trace.of(popular(500).key, size=10, owner=[1, 2] * 250))
    policy.forget_owner(1)
    assert set(policy._recent.trace().owner.tolist()) == {2}


def test_shadows_see_a_sample_of_the_keys_when_there_are_many():
    makers = {"lru": LRU, "gdsf": GDSF}
    shadows = Shadows(makers, 10 * MOST * 10, 500)
    draw = np.random.default_rng(2)
    keys = draw.integers(1, 2**62, 12 * MOST)
    asked = np.concatenate([keys, keys[draw.integers(0, len(keys), 4 * MOST)]])
    for now, key in enumerate(asked.tolist(), 1):
        shadows.request(Item(key, 10), now)
    assert shadows.halvings >= 3
    for shadow in shadows.of.values():
        assert len(shadow.policy) <= MOST
        assert all(shadows.sampled(item.key) for item in shadow.policy.items())
        assert shadow.policy.max_bytes == (10 * MOST * 10) >> shadows.halvings
    share = np.mean([shadows.sampled(int(key)) for key in keys])
    assert share == pytest.approx(2.0**-shadows.halvings, rel=0.15)
    assert shadows.gains()["lru"] > 0.2


def shown(policy):
    """Show the shadows what they are yet to be shown."""
    lesson = policy.lesson(threading.Lock())
    if lesson is not None:
        lesson()


def in_shadows(policy, key):
    return any(key in shadow.policy for shadow in policy.shadows.of.values())


@pytest.mark.parametrize("act", ["remove", "expire", "clear"])
def test_a_key_that_is_removed_while_its_requests_wait_does_not_come_back(act):
    policy = Adaptive(100_000, settings=STILL, behind=True)
    for now in range(1, 20):
        policy.add(Item(now, 100), now)
    policy.hit(7, 20)
    getattr(policy, act)(*([] if act == "clear" else [7]))
    shown(policy)
    assert not in_shadows(policy, 7)
    assert in_shadows(policy, 8) == (act != "clear")
    assert (7 in policy.demand) == (act == "expire")


def test_a_key_that_is_asked_for_again_after_it_was_removed_is_there():
    policy = Adaptive(100_000, settings=STILL, behind=True)
    policy.add(Item(7, 100), 1)
    policy.remove(7)
    policy.add(Item(7, 100), 2)
    shown(policy)
    assert in_shadows(policy, 7)
    assert 7 in policy.demand
    assert policy.shadows.requests == 2


def test_removals_of_what_nobody_asked_for_push_no_request_out(monkeypatch):
    monkeypatch.setattr(module, "BEHIND", 10)
    policy = Adaptive(100_000, settings=STILL, behind=True)
    for now in range(1, 6):
        policy.add(Item(now, 100), now)
    for key in range(100, 200):
        policy.remove(key)
    shown(policy)
    assert policy.shadows.requests == 5
