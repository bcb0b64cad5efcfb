"""Liveness, against a simulator that stores everything and finds out afterwards what was read last and when."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.schedule import Schedule, forecast, uniform
from evocache.schedule.liveness import (
    Lifetimes,
    Value,
    compute_peak_bytes,
    compute_shared_peak,
    find_held_values,
    find_reads,
    find_values,
)

from .strategies import MODEST, dit, grid, schedules

FF0, FF1 = "transformer/blocks.0.ff", "transformer/blocks.1.ff"


def brute_force(schedule: Schedule, branches: list[dict[str, int]], order: list[str]) -> tuple[int, set[Value]]:
    """Peak bytes and stored values, from a play of every event in time."""
    ticks: list[tuple[int, int, str]] = [
        (s, b, id) for s in range(schedule.steps) for b in range(len(branches)) for id in order
    ]
    past: dict[tuple[int, str], list[tuple[int, int]]] = {}
    lives: dict[tuple[int, str, int], list[int]] = {}
    for tick, (step, branch, id) in enumerate(ticks):
        column = schedule.tree.index[id]
        if schedule.executed[step, column]:
            past.setdefault((branch, id), []).append((step, tick))
        elif schedule.read[step, column]:
            for born, born_tick in past[branch, id][-1 - schedule.orders[step, column] :]:
                lives[branch, id, born] = [born_tick, tick]
    held = [
        sum(branches[b][id] for (b, id, _), (start, end) in lives.items() if start <= t <= end)
        for t in range(len(ticks))
    ]
    stored = {Value(schedule.tree.index[id], born, ticks[end][0]) for (_, id, born), (_, end) in lives.items()}
    return max(held, default=0), stored


@MODEST
@given(schedules(), st.integers(1, 2), st.randoms(use_true_random=False))
def test_peak_and_values_are_those_of_a_full_play(schedule: Schedule, branches: int, rng: random.Random):
    order = [c.id for c in schedule.components]
    rng.shuffle(order)
    sizes = [{id: rng.randint(1, 100) for id in order} for _ in range(branches)]
    peak, stored = brute_force(schedule, sizes, order)
    assert compute_peak_bytes(schedule, sizes, order) == peak
    assert set(find_values(schedule)) == stored
    assert len(find_values(schedule)) == len(stored)


@MODEST
@given(schedules())
def test_reads_are_of_the_last_computed_values(schedule: Schedule):
    expected: dict[tuple[int, int], tuple[int, ...]] = {}
    for column in range(len(schedule.tree)):
        computed: list[int] = []
        for step in range(schedule.steps):
            if schedule.executed[step, column]:
                computed.append(step)
            elif schedule.read[step, column]:
                expected[step, column] = tuple(computed[: -schedule.orders[step, column] - 2 : -1])
    assert find_reads(schedule) == expected


@MODEST
@given(schedules())
def test_order_defaults_to_the_components_own(schedule: Schedule):
    sizes = {c.id: 1 << i for i, c in enumerate(schedule.components)}
    assert compute_peak_bytes(schedule, sizes) == brute_force(schedule, [sizes], list(sizes))[0]


@MODEST
@given(schedules())
def test_what_is_alive_is_read_later(schedule: Schedule):
    for step, held in enumerate(find_held_values(schedule)):
        wanted = {(c, s) for (when, c), born in find_reads(schedule).items() if when > step for s in born if s <= step}
        assert {(v.component, v.born) for v in held} == wanted
    assert find_held_values(schedule)[-1] == []


def test_nothing_is_stored_where_everything_is_computed():
    schedule = Schedule.full(dit(2), 5)
    assert (find_reads(schedule), find_values(schedule), find_held_values(schedule)) == ({}, [], [[]] * 5)
    assert compute_peak_bytes(schedule, {FF0: 7}) == 0


def test_by_hand_reuse():
    tree = dit(2, ("ff",))
    schedule = uniform(tree, 5, [FF0, FF1], [0, 3])
    a, b = tree.index[FF0], tree.index[FF1]
    assert find_values(schedule) == [Value(a, 0, 2), Value(a, 3, 4), Value(b, 0, 2), Value(b, 3, 4)]
    assert [len(held) for held in find_held_values(schedule)] == [2, 2, 0, 2, 0]
    assert compute_peak_bytes(schedule, {FF0: 10, FF1: 3}) == 13
    assert compute_peak_bytes(schedule, [{FF0: 10, FF1: 3}, {FF0: 5}]) == 18


def test_by_hand_forecast():
    tree = dit(1, ("ff",))
    schedule = uniform(tree, 6, [FF0], [0, 1, 3], forecast(1, 0.5))
    column = tree.index[FF0]
    assert find_reads(schedule) == {(2, column): (1, 0), (4, column): (3, 1), (5, column): (3, 1)}
    assert find_values(schedule) == [Value(column, 0, 2), Value(column, 1, 5), Value(column, 3, 5)]
    assert compute_peak_bytes(schedule, {FF0: 10}) == 20


def test_one_value_dies_before_another_is_born_in_the_same_step():
    tree = dit(2, ("ff",))
    schedule = Schedule(tree, grid(tree, "CCC", "CCC", "CRC", "CCC", "CCR"))
    sizes = {FF0: 10, FF1: 10}
    assert compute_peak_bytes(schedule, sizes) == 10
    assert compute_peak_bytes(schedule, sizes, [FF1, FF0]) == 20


def test_components_missing_from_the_order_come_last_in_their_own_order():
    tree = dit(2, ("ff",))
    schedule = Schedule(tree, grid(tree, "CCC", "CCC", "CCR", "CCC", "CRC"))
    sizes = {FF0: 10, FF1: 10}
    assert compute_peak_bytes(schedule, sizes) == compute_peak_bytes(schedule, sizes, []) == 20


def test_what_was_cut_short_is_held_until_it_is_dropped():
    schedule = uniform(dit(2, ("ff",)), 5, [FF0, FF1], [0, 3])
    cut = Lifetimes(schedule, {FF0: 10, FF1: 3}, [FF0, FF1], rows=2)
    later = Lifetimes(schedule, {FF0: 100, FF1: 30}, [FF0, FF1], start=2)
    assert compute_shared_peak([cut]) == 13
    assert compute_shared_peak([cut, later]) == 13 + 130
    assert compute_shared_peak([cut._replace(dropped=2), later]) == 130
    assert compute_shared_peak([cut._replace(dropped=3), later]) == 13 + 130


def test_a_skipped_span_holds_one_residual_and_nothing_of_its_parts():
    tree = dit(2, ("ff",)).with_span("transformer", 0, 2)
    span = "transformer/blocks[0:2]"
    orders = np.full((4, len(tree)), -1, dtype=np.int8)
    orders[1:3, tree.index[span]] = 0
    schedule = Schedule(tree, orders)
    assert find_values(schedule) == [Value(tree.index[span], 0, 2)]
    assert compute_peak_bytes(schedule, {c.id: 5 for c in tree}) == 5


@pytest.mark.parametrize("size", [0, 1, 10**15])
def test_bytes_are_exact(size):
    assert compute_peak_bytes(uniform(dit(1), 3, [FF0], [0]), {FF0: size}) == size
