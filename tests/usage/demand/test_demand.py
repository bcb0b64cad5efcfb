"""The tables of demand are bounded, and a row that is taken back leaves nothing behind."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest

from evocache.usage.demand import demand as module
from evocache.usage.demand.demand import Demand
from evocache.usage.demand.weights import Weights
from evocache.usage.policies.policy import Item


def test_what_was_asked_for_longest_ago_is_forgotten(monkeypatch):
    monkeypatch.setattr(module, "LEAST_KEYS", 50)
    demand = Demand()
    for now in range(1, 501):
        demand.note(Item(now, 10, owner=now % 7, group=now % 11), now)
    assert len(demand) <= 50
    kept = demand.row(Item(500, 10), 501)
    assert kept
    assert len(demand) <= 50


def test_keys_that_are_held_are_not_forgotten(monkeypatch):
    monkeypatch.setattr(module, "LEAST_KEYS", 20)
    demand = Demand()
    held = {key: demand.note(Item(key, 10), key) for key in range(1, 11)}
    for row in held.values():
        demand.keep(row)
    for now in range(11, 400):
        demand.note(Item(1000 + now, 10), now)
    assert {key: demand.row(Item(key, 10), 400) for key in held} == held
    for row in held.values():
        demand.release(row)
    for now in range(401, 800):
        demand.note(Item(5000 + now, 10), now)
    assert len(demand) <= 50


@pytest.mark.parametrize("most", ["OWNERS", "GROUPS"])
def test_rows_of_owners_and_groups_that_are_taken_back_say_nothing_of_the_new_ones(monkeypatch, most):
    """With room for few, what is known of keys whose owner or group was forgotten is that they have none."""
    monkeypatch.setattr(module, most, 3)
    demand, other = Demand(), Demand()
    weights = Weights().factors()
    for now in range(1, 60):
        what = {"owner": now} if most == "OWNERS" else {"group": now}
        demand.note(Item(now, 10, **what), now)
        other.note(Item(now, 10), now)
    rows = np.array([demand.row(Item(key, 10), 60) for key in range(1, 50)])
    plain = np.array([other.row(Item(key, 10), 60) for key in range(1, 50)])
    assert demand.scores(rows, 60, weights) == pytest.approx(other.scores(plain, 60, weights))


def test_an_owner_is_forgotten_wholly():
    demand = Demand()
    for now in range(1, 30):
        demand.note(Item(1, 10, owner=7), now)
    before = demand.scores(np.array([demand.row(Item(1, 10), 30)]), 30, Weights().factors())
    demand.forget_owner(7)
    after = demand.scores(np.array([demand.row(Item(1, 10), 30)]), 30, Weights().factors())
    assert after < before
    demand.forget_owner(7)  # nothing is left to forget


def test_a_remembered_key_takes_few_bytes():
    draw = random.Random(1)
    keys = [draw.getrandbits(63) for _ in range(20_000)]
    tracemalloc.start()
    demand = Demand()
    for now, key in enumerate(keys, 1):
        row = demand.note(Item(key, 10), now)
        demand.keep(row)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(demand) == len(keys)
    assert taken / len(keys) < 350
