"""What holds for every tier: in memory, on disk, on a server, behind a queue."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evocache.usage.tiers.tier import REMEMBERED, Stored

from .fakes import entry, key


def test_an_entry_comes_back_as_it_was(make):
    tier = make()
    stored = Stored(b"\0\xff" * 50, "json", 1.25, 1000, 1_800_000_000.5, 1_900_000_000.25, b"o" * 16, b"g" * 16)
    assert tier.get(key(1)) is None
    assert tier.put_many([(key(1), stored), (key(2), entry(b""))]) == 2
    assert tier.get(key(1)) == stored
    assert tier.get(key(2)) == entry(b"")
    assert len(tier) == 2
    assert 100 <= tier.bytes <= tier.max_bytes


STORED = st.builds(
    Stored,
    payload=st.binary(max_size=3000),
    format=st.text("abc-1", min_size=1, max_size=40),
    seconds=st.floats(0, 1e6),
    size=st.integers(0, 2**60),
    created=st.floats(0, 1_800_000_000),
    expires=st.none() | st.floats(1_800_000_001, 1e10),
    owner=st.binary(max_size=32),
    group=st.binary(max_size=32),
)


@given(st.dictionaries(st.binary(min_size=1, max_size=32), STORED, max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_entry_comes_back_as_it_was(make, entries):
    with make() as tier:
        assert tier.put_many(entries.items()) == len(entries)
        assert {name: tier.get(name) for name in entries} == entries


def test_a_later_put_replaces(make):
    tier = make()
    tier.put_many([(key(1), entry(b"old", owner=b"a"))])
    tier.put_many([(key(1), entry(b"new", owner=b"b"))])
    assert tier.get(key(1)).payload == b"new"
    assert len(tier) == 1
    assert tier.clear(b"a") == 0
    assert tier.clear(b"b") == 1


def test_entries_are_deleted(make):
    tier = make()
    tier.put_many((key(number), entry()) for number in range(5))
    assert tier.delete([key(1), key(2), key(99)]) == 2
    assert [number for number in range(5) if tier.get(key(number))] == [0, 3, 4]
    assert len(tier) == 3


def test_an_owner_is_cleared_and_no_other(make):
    tier = make()
    tier.put_many((key(number), entry(owner=b"a" if number % 3 else b"b")) for number in range(30))
    assert tier.clear(b"a") == 20
    assert [number for number in range(30) if tier.get(key(number))] == list(range(0, 30, 3))
    assert tier.clear() == 10
    assert (len(tier), tier.bytes, tier.get(key(0))) == (0, 0, None)


def test_entries_end_at_their_time(make, clock):
    tier = make()
    tier.put_many([(key(1), entry(expires=clock.now + 10)), (key(2), entry())])
    assert tier.get(key(1)) is not None
    clock.now += 10
    assert tier.get(key(1)) is None
    assert tier.get(key(2)) is not None
    for behind in filter(lambda one: hasattr(one, "flush"), [tier]):
        behind.flush()
    assert tier.expire() == 1
    assert len(tier) == 1


def test_entries_of_a_clock_that_jumped_are_over(make, clock):
    tier = make()
    tier.put_many([(key(1), entry(created=clock.now + 3600)), (key(2), entry(created=clock.now + 1))])
    assert tier.get(key(1)) is None
    assert tier.get(key(2)) is not None


def test_bytes_are_bounded_and_savings_stay(make, clock):
    """What saves much a byte outlives a thousand others that save little."""
    tier = make(200_000)
    draw = random.Random(0)
    dear = [(key(number), entry(bytes(1000), seconds=100)) for number in range(20)]
    tier.put_many(dear)
    for number in range(100, 600):
        tier.put_many([(key(number), entry(draw.randbytes(draw.randrange(1, 6000)), seconds=0.001))])
        if number % 100 == 0:
            getattr(tier, "flush", lambda: None)()
            assert tier.bytes <= 200_000
    assert all(tier.get(name) == stored for name, stored in dear)
    assert tier.figures.evicted > 250
    assert len(tier) >= 30


def test_old_savings_age(make, request):
    if "memory" in request.node.name:
        pytest.skip("the tier in memory has no ageing: it shows the contract only")
    tier = make(200_000)
    tier.put_many((key(number), entry(bytes(1000), seconds=3)) for number in range(20))
    for begin in range(1000, 4000, 100):
        tier.put_many((key(number), entry(bytes(1000), seconds=1)) for number in range(begin, begin + 100))
        getattr(tier, "flush", lambda: None)()
    assert sum(tier.get(key(number)) is not None for number in range(20)) == 0
    assert tier.get(key(3999)) is not None


def test_what_is_larger_than_the_tier_is_dropped(make):
    tier = make(100_000)
    tier.put_many([(key(1), entry(bytes(50_000)))])
    tier.put_many([(key(2), entry(bytes(100_001)))])
    getattr(tier, "flush", lambda: None)()
    assert tier.get(key(2)) is None
    assert tier.get(key(1)) is not None
    assert tier.figures.dropped == 1


def test_tenants_see_nothing_of_each_other(make):
    one, two = make(tenant="one"), make(50_000, tenant="two")
    one.put_many([(key(1), entry(b"one", owner=b"o"))])
    getattr(one, "flush", lambda: None)()
    assert two.get(key(1)) is None
    assert (len(two), two.bytes) == (0, 0)
    two.put_many((key(number), entry(bytes(3000), seconds=100, owner=b"o")) for number in range(1, 40))
    getattr(two, "flush", lambda: None)()
    assert one.get(key(1)).payload == b"one"
    assert two.delete([key(2)]) in (0, 1)
    assert two.clear(b"o") > 0
    assert two.clear() == 0
    assert len(one) == 1


def test_figures_say_what_was_done(make):
    tier = make()
    tier.put_many([(key(1), entry())])
    getattr(tier, "flush", lambda: None)()
    for number in (1, 1, 2):
        tier.get(key(number))
    assert (tier.figures.hits, tier.figures.misses, tier.figures.stored) == (2, 1, 1)


def test_what_another_put_is_found(make, request):
    tier, other = make(), make()
    tier.put_many([(key(1), entry())])
    getattr(tier, "flush", lambda: None)()
    assert other.get(key(1)) == entry()
    assert other.delete([key(1)]) == 1
    assert tier.get(key(1)) is None


@pytest.mark.parametrize("act", ["delete", "clear"])
def test_what_began_before_it_was_forgotten_is_not_put_again(make, clock, act):
    tier, other, late = make(), make(), []
    for number in (1, 2):
        late.append((key(number), entry(created=clock.now + 9, began=clock.now)))
    clock.now += 5
    assert getattr(other, act)(*([[key(1), key(7)]] if act == "delete" else [])) == 0
    clock.now += 5
    tier.put_many(late)
    getattr(tier, "flush", lambda: None)()
    assert other.get(key(1)) is None
    assert (other.get(key(2)) is None) == (act == "clear")
    tier.put_many([(key(1), entry(b"new", created=clock.now + 1, began=clock.now - 4))])
    getattr(tier, "flush", lambda: None)()
    assert other.get(key(1)).payload == b"new"


def test_what_was_forgotten_is_not_remembered_for_ever(make, clock):
    tier = make()
    tier.delete([key(1)])
    began, clock.now = clock.now - 1, clock.now + REMEMBERED + 1
    tier.put_many([(key(2), entry())])
    tier.put_many([(key(1), entry(b"late", began=began))])
    getattr(tier, "flush", lambda: None)()
    assert tier.get(key(1)).payload == b"late"


def test_a_clock_that_jumped_back_refuses_nothing(make, clock):
    tier = make()
    tier.delete([key(1)])
    clock.now -= 1000
    tier.put_many([(key(1), entry(created=clock.now, began=clock.now))])
    getattr(tier, "flush", lambda: None)()
    assert tier.get(key(1)) is not None
