"""What policies remember of an entry takes few bytes: shadow caches hold 1,024 entries each, several times the same."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from evocache.usage.policies.policy import Item
from evocache.usage.policies.ranked.order import order_of, place_in, rank_in
from evocache.usage.policies.registry import POLICIES

ENTRIES = 1_024


@pytest.mark.parametrize("name", POLICIES)
def test_an_entry_takes_at_most_200_bytes(name):
    """Beside its item, which all caches share; with what is remembered of entries that left, after a hit of each."""
    draw = random.Random(1)
    items = [Item(draw.getrandbits(63), 4_000, draw.random()) for _ in range(2 * ENTRIES)]
    tracemalloc.start()
    policy = POLICIES[name](ENTRIES * 4_000, seed=1)
    for now, item in enumerate(items, 1):
        policy.add(item, now)
    for now, item in enumerate(items, len(items)):
        policy.hit(item.key, now)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(policy) >= 0.97 * ENTRIES
    assert taken / ENTRIES <= 200


def test_orders_are_those_of_ranks_and_uses():
    draw = random.Random(2)
    ranks = [0.0, 5e-324, 1e-9, 1.0, 1.0 + 2**-52, 2.0, 1e300, float("inf"), *(draw.expovariate(1) for _ in range(50))]
    tuples = [(rank, draw.randrange(1 << 40), draw.randrange(1 << 32)) for rank in ranks for _ in range(3)]
    assert sorted(order_of(*one) for one in tuples) == [order_of(*one) for one in sorted(tuples)]
    assert all((rank_in(order_of(*one)), place_in(order_of(*one))) == (one[0], one[2]) for one in tuples)
    assert order_of(-0.0, 1, 2) == order_of(0.0, 1, 2)
