"""Mutation and crossover: always schedules, never far from their parents, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.policies import parse
from evocache.schedule import COMPUTE, Schedule
from evocache.search.genome.search_space import Space
from evocache.search.genome.variation import OPERATORS, Draft, cross, mutate
from tests.search.trees import stack

TREE, STEPS = stack(), 12
SPACE = Space(TREE, STEPS)
SPECS = ("none", "fora:2", "fora:4", "steps:0,1,4,7,10", "tgate:5")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPECS), st.integers(0, 10_000))
def test_a_mutant_is_another_schedule_and_depends_on_the_seed_alone(spec: str, seed: int) -> None:
    parent = parse(spec).schedule(TREE, STEPS)
    children = [mutate(parent, SPACE, np.random.default_rng(seed)) for _ in range(2)]
    assert children[0] == children[1]
    assert children[0] != parent
    assert children[0].executed[0].all()
    again = Schedule(TREE, children[0].orders, children[0].gains)  # canonical, and valid without repair
    assert again == children[0]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPECS), st.sampled_from(SPECS), st.integers(0, 10_000))
def test_a_child_has_every_action_from_a_parent_or_by_repair(a: str, b: str, seed: int) -> None:
    mother, father = parse(a).schedule(TREE, STEPS), parse(b).schedule(TREE, STEPS)
    child = cross(mother, father, SPACE, np.random.default_rng(seed))
    inherited = (child.orders == mother.orders) | (child.orders == father.orders)
    hidden = ~child.executed & ~child.read
    assert (inherited | hidden | (child.orders == COMPUTE.order)).all()


def test_crossing_with_itself_changes_nothing() -> None:
    parent = parse("fora:3").schedule(TREE, STEPS)
    for seed in range(20):
        assert cross(parent, parent, SPACE, np.random.default_rng(seed)) == parent


def cross_over_steps(early: str, late: str) -> Schedule:
    """One policy in the first half of the steps, another in the second."""
    first, second = (parse(spec).schedule(TREE, STEPS) for spec in (early, late))
    orders = np.concatenate([first.orders[: STEPS // 2], second.orders[STEPS // 2 :]])
    return Schedule.repaired(TREE, orders)


@pytest.mark.parametrize("operator", [operator for operator, _ in OPERATORS], ids=lambda o: o.__name__)
def test_every_operator_does_something(operator) -> None:
    parent = cross_over_steps("steps:0,1,4,7,10", "fora:3")
    parent = mutate(mutate(parent, SPACE, np.random.default_rng(1)), SPACE, np.random.default_rng(2))
    changed = 0
    for seed in range(40):
        draft = Draft(parent)
        operator(draft, SPACE, np.random.default_rng(seed))
        changed += draft.schedule() != parent
    assert changed > 0
