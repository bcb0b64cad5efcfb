"""What gates decide, change by change, and what they govern."""

from __future__ import annotations

import pytest

from evocache.errors import PolicyError
from evocache.policies import DBCache, EasyCache, FirstBlockCache, TeaCache, parse, parse_policy
from tests.search.trees import stack

NO = None
"""Nothing to compare with, as at the first step."""


def computed(gate, changes, steps=None, start=0):
    """Steps that a gate computes, when it is shown these changes."""
    rule = gate.rule(steps or start + len(changes))
    return [start + i for i, change in enumerate(changes) if rule.computes(start + i, change)]


def test_the_first_block_cache_compares_each_change():
    assert computed(FirstBlockCache(0.1), [NO, 0.09, 0.09, 0.1, 0.0, 0.2, 0.05]) == [0, 3, 5]


def test_a_threshold_of_zero_computes_all():
    for gate in (FirstBlockCache(0), DBCache(0), TeaCache(0), EasyCache(0)):
        assert computed(gate, [NO, 0.0, 0.0, 0.0]) == [0, 1, 2, 3]


def test_dbcache_warms_up_and_stops_after_so_many():
    assert computed(DBCache(0.1, warmup=3), [NO, *[0.0] * 7]) == [0, 1, 2]
    assert computed(DBCache(0.1, most=2), [NO, *[0.0] * 7]) == [0, 3, 6]
    assert computed(DBCache(0.1, warmup=2, most=1), [NO, 0.0, 0.0, 0.0, 0.5, 0.0]) == [0, 1, 3, 4]


def test_the_warm_up_counts_steps_that_are_run():
    assert computed(DBCache(0.1, warmup=2), [NO, 0.0, 0.0], start=10) == [10, 11]


def test_teacache_adds_up_and_begins_anew_and_computes_the_last_step():
    assert computed(TeaCache(0.25), [NO, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.0]) == [0, 3, 5, 7]
    # with x -> 2 x^2 + 0.1
    assert computed(TeaCache(0.25, (2.0, 0.0, 0.1)), [NO, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0]) == [0, 3, 6]


def test_easycache_adds_up_after_its_warm_up():
    changes = [NO, NO, 0.04, 0.04, 0.04, 0.04, 0.01, 0.0]
    assert computed(EasyCache(0.1), changes) == [0, 1, 4, 7]
    assert computed(EasyCache(0.1, 4), changes) == [0, 1, 2, 3, 7]


def test_what_is_not_a_number_is_computed():
    assert computed(FirstBlockCache(0.1), [NO, float("nan"), 0.0]) == [0, 1]


@pytest.mark.parametrize(
    ("spec", "span"),
    [("fbcache:0.1", "1:6"), ("teacache:0.1", "1:6"), ("easycache:0.1", "0:6"), ("dbcache:0.1,2,3", "2:3")],
)
def test_what_is_governed(spec, span):
    tree, found = parse(spec).governed(stack(6))
    assert {name: (g.part, g.entry, g.leaf) for name, g in found.items()} == {
        "t": (f"t/blocks[{span}]", "t.b.0" if "t.b.0" in tree.index else "t/b.0", "t/b.0.a")
    }
    assert tree.structure == stack(6).structure


def test_a_stack_that_is_not_deep_enough_is_refused():
    with pytest.raises(PolicyError, match=r"dbcache:0.1,3,3.*more than 6 blocks.*deepcache:N"):
        parse("dbcache:0.1,3,3").governed(stack(6))


def test_there_is_no_schedule_beforehand():
    with pytest.raises(PolicyError, match=r"fbcache:0.1 where.*handle\.recorded"):
        parse_policy("fbcache:0.1")


@pytest.mark.parametrize(
    "spec",
    [
        "fbcache",
        "fbcache:-1",
        "fbcache:nan",
        "fbcache:0.1,2",
        "dbcache:0.1,0",
        "dbcache:0.1,1,-1",
        "dbcache:0.1,1.5",
        "dbcache:0.1,1,0,0,0,4",
        "teacache",
        "teacache:0.1,inf",
        "teacache:0.1,x",
        "easycache:0.1,-1",
    ],
)
def test_bad_parameters(spec):
    with pytest.raises(PolicyError, match=spec.split(":")[0]):
        parse(spec)
