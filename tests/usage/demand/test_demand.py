"""The tables of demand are bounded, and a row that is taken back leaves nothing behind."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest

from evocache.usage.demand import demand as module
from evocache.usage.demand import formula
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


class Counting(np.ndarray):
    """A table that counts the numbers that are read of it."""

    read = 0

    def __getitem__(self, where):
        found = super().__getitem__(where)
        Counting.read += np.size(found)
        return found


@pytest.mark.parametrize("what", ["owner", "group"])
def test_a_new_owner_or_group_costs_the_same_however_many_keys_are_remembered(monkeypatch, what):
    """With the table of owners full, each new one takes the row of another: no key is looked at for that."""
    monkeypatch.setattr(module, {"owner": "OWNERS", "group": "GROUPS"}[what], 20)

    def read(keys):
        demand = Demand()
        for now in range(1, keys + 1):
            demand.note(Item(now, 10, **{what: now % 20 + 1}), now)
        demand._keys.table = demand._keys.table.view(Counting)
        Counting.read = 0
        for now in range(1, 101):
            demand.note(Item(1, 10, **{what: 1000 + now}), keys + now)
        return Counting.read

    assert 0 < read(2000) == read(100)


def test_a_group_counts_for_keys_of_its_own_alone(monkeypatch):
    """A group that takes the row of another says nothing of that one's keys."""
    monkeypatch.setattr(module, "GROUPS", 1)
    demand, weights = Demand(), Weights().factors()
    demand.note(Item(1, 10, group=7), 1)
    for now in range(2, 30):
        demand.note(Item(2, 10, group=8), now)
    rows = np.array([demand.row(Item(1, 10), 30)])
    tables = demand._keys.table, demand._owners.table, demand._groups.table
    alone = Demand()
    alone.note(Item(1, 10), 1)
    plain = alone.scores(np.array([alone.row(Item(1, 10), 30)]), 30, weights)
    assert demand.scores(rows, 30, weights) == pytest.approx(plain)
    assert formula.score(*tables, 30.0, rows[0], weights.factors, weights.exponents) == pytest.approx(plain[0])


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
