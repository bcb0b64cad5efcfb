"""TaylorSeer's grid, cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from evocache.errors import PolicyError
from evocache.policies import TaylorSeer, parse
from evocache.schedule import liveness
from tests.search.trees import stack


@pytest.mark.parametrize(
    ("interval", "computed"),
    [(1, [*range(10)]), (2, [0, 1, 2, 4, 6, 8]), (3, [0, 1, 2, 5, 8]), (5, [0, 1, 2, 7]), (50, [0, 1, 2])],
)
def test_three_first_steps_then_every_nth(interval, computed):
    tree = stack(2)
    schedule = TaylorSeer(interval).schedule(tree, 10)
    for i, component in enumerate(tree):
        assert np.flatnonzero(schedule.executed[:, i]).tolist() == (computed if component.is_leaf else [*range(10)])
        between = schedule.orders[:, i][schedule.read[:, i]]
        assert set(between.tolist()) <= {1}
    assert set(schedule.gains[schedule.read].tolist()) <= {1.0}


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_forecast_reads_one_value_more_than_its_order_where_there_are_that_many(order):
    tree = stack(1)
    schedule = parse(f"taylorseer:4,{order}").schedule(tree, 12)
    reads = liveness.find_reads(schedule)
    leaf = tree.index["t/b.0.a"]
    assert reads[3, leaf] == (2, 1, 0)[: order + 1]
    assert reads[11, leaf] == (10, 6, 2, 1)[: order + 1]


def test_fewer_steps_than_are_computed_first():
    assert parse("taylorseer:5").schedule(stack(1), 2).is_full


@pytest.mark.parametrize("spec", ["taylorseer:0", "taylorseer:2,0", "taylorseer:2,4", "taylorseer", "taylorseer:2.5"])
def test_bad_parameters(spec):
    with pytest.raises(PolicyError, match="taylorseer"):
        parse(spec)
