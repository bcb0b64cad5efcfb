"""Caching reaches every denoiser class: components are found, schedules save what they promise and are undone."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from torch import nn

from evocache import apply
from evocache.errors import PolicyError
from evocache.policies import EasyCache, FirstBlockCache, TeaCache, parse
from evocache.schedule import COMPUTE, Schedule
from tests.family import Family
from tests.matrix import FAMILY_OF, KNOWN_WARNINGS, LEFT_OUT, RECIPES
from tests.matrix.installed import exported, held
from tests.matrix.loop import STEPS, tiny
from tests.matrix.observe import Observation, observed, reused
from tests.runtime.support import changes, counted, snapshot

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]
pytestmark += [pytest.mark.table("one", family=lambda name: FAMILY_OF.get(name, name))]

ELSEWHERE = {name for name, recipe in RECIPES.items() if recipe.module != "diffusers"}
ROWS = sorted({*exported(), *ELSEWHERE} - LEFT_OUT.keys())
SPECS = ("fora:2", "steps:0,2")
"""Leaves, and the largest part that there is: each computes at two of four steps."""


STILL = {
    "Cosmos3OmniTransformer",
    "Flux3Transformer2DModel",
    "Kandinsky5Transformer3DModel",
    "Kandinsky6Transformer3DModel",
    "Lumina2Transformer2DModel",
}
"""Their first blocks are given what no step changes (a text), so that EasyCache finds no rate, and computes."""


@pytest.fixture(params=ROWS, scope="module")
def one(request: pytest.FixtureRequest) -> Family:
    """Each class in turn, in its loop."""
    if request.param not in RECIPES:
        pytest.fail(f"{request.param} has no recipe: add one to tests/matrix")
    return Family(tiny(RECIPES[request.param]))


def test_components_are_found(one):
    recipe, tree = RECIPES[one.name], one.model.tree
    assert [d.name for d in one.model.denoisers] == [recipe.component]
    assert [tree.components[i] for i in tree.leaves if tree.components[i].is_leaf]
    assert sum(c.block is not None for c in tree.of_kind("block")) == recipe.blocks
    assert len(tree.of_kind("deep")) == recipe.skips
    assert len(tree.of_kind("span")) == (recipe.blocks > 1 and not recipe.skips)
    assert tree.of_kind("span", "deep")


@dataclass
class Untouched:
    """What a run shows before anything is applied: what ran, by spec and by component, and what the run changed."""

    schedules: dict[str, Schedule]
    parts: dict[str, list[nn.Module]]
    seen: dict[str, Observation]
    ran: Counter[str]
    before: dict[str, Any]
    own: set[str]


@pytest.fixture(scope="module")
def untouched(one: Family) -> Untouched:
    """One run, looked at for all specs at once."""
    (denoiser,) = one.model.denoisers
    schedules = {spec: parse(spec).schedule(one.model.tree, STEPS) for spec in SPECS}
    reuses = {
        spec: {c.id for c, orders in zip(schedule.tree, schedule.orders.T, strict=True) if any(orders >= 0)}
        for spec, schedule in schedules.items()
    }
    parts = {spec: reused(denoiser, ids) for spec, ids in reuses.items()}
    before = snapshot(one.pipe)
    with ExitStack() as stack, counted(one) as ran:
        seen = {spec: stack.enter_context(observed(denoiser, parts[spec])) for spec in SPECS}
        assert np.array_equal(one.call(), one.reference)
    return Untouched(schedules, parts, seen, ran, before, changes(before, snapshot(one.pipe)))


@pytest.mark.parametrize("spec", SPECS)
def test_schedules_save_what_they_promise_and_are_undone(one, untouched, spec):
    (denoiser,) = one.model.denoisers
    schedule, plain, components = untouched.schedules[spec], untouched.seen[spec], untouched.ran
    with apply(one.pipe, spec) as handle:
        with observed(denoiser, untouched.parts[spec]) as seen, counted(one) as ran:
            output = one.call()
        stats = handle.stats
        if spec == SPECS[0]:
            assert np.array_equal(one.call(), output)
    assert np.isfinite(output).all()
    assert not np.array_equal(output, one.reference)

    assert plain.within.total() == 2 * seen.within.total() > 0
    assert {path: 2 * count for path, count in seen.within.items()} == plain.within
    assert seen.around == plain.around
    expected = one.expected(lambda *_: schedule)
    assert stats.executed == expected
    # what a model holds but does not call (a refiner its teacher's sound track) does not run under a schedule either
    assert {id: ran[id] for id in denoiser.modules} == {id: components[id] and expected[id] for id in denoiser.modules}
    assert stats.peak_cached_bytes == stats.predicted_peak_bytes > 0
    assert stats.cached_bytes == 0

    assert np.array_equal(one.call(), one.reference)
    assert changes(untouched.before, snapshot(one.pipe)) <= untouched.own


@pytest.mark.parametrize("gate", [FirstBlockCache, TeaCache, EasyCache])
def test_gates_decide_and_replay(one, gate):
    """A threshold that nothing reaches reuses where it may; one of zero, which `FirstBlockCache` shows, nowhere."""
    try:
        with apply(one.pipe, gate(1e9)) as handle, counted(one) as ran:
            output = one.call()
    except PolicyError:
        assert gate(0).head >= max(RECIPES[one.name].blocks, RECIPES[one.name].skips)
        return
    stats = handle.stats
    assert {id: ran[id] for id in one.model.denoisers[0].modules} == {
        id: ran[id] and stats.executed[id] for id in one.model.denoisers[0].modules
    }
    assert handle.recorded.is_full == (gate is EasyCache and one.name in STILL)
    if gate is FirstBlockCache:
        with apply(one.pipe, gate(0)):
            assert np.array_equal(one.call(), one.reference)
    if gate is TeaCache:  # is replayed as the others are
        return
    with apply(one.pipe, handle.recorded) as replay:
        assert np.array_equal(one.call(), output)
    assert replay.stats.executed == stats.executed
    assert replay.stats.predicted_peak_bytes == stats.predicted_peak_bytes


def test_what_does_not_change_is_reused_without_a_change(one):
    """Where every step is given the same, a reused feature is what would have been computed."""
    expected = one.call(steps=2, frozen=True)
    with apply(one.pipe, "fora:2"):
        assert np.array_equal(one.call(steps=2, frozen=True), expected)
    if one.model.tree.of_kind("deep"):
        deeps_in_turn = in_turn(one)
        with apply(one.pipe, deeps_in_turn):
            assert np.array_equal(one.call(steps=deeps_in_turn.steps, frozen=True), expected)
    else:  # a residual that is added rounds
        with apply(one.pipe, "steps:0"):
            assert np.allclose(one.call(steps=2, frozen=True), expected, rtol=1e-3, atol=1e-4)


def in_turn(one: Family) -> Schedule:
    """Everything is computed, then at each step another deep part is reused."""
    deeps = one.model.tree.of_kind("deep")
    orders = np.full((1 + len(deeps), len(one.model.tree)), COMPUTE.order)
    for step, deep in enumerate(deeps, 1):
        orders[step, one.model.tree.index[deep.id]] = 0
    return Schedule(one.model.tree, orders)


@pytest.mark.filterwarnings("ignore")  # of other packages, while all pipelines are imported
def test_all_classes_that_pipelines_hold_have_a_row():
    assert sorted(held().keys() - RECIPES.keys() - LEFT_OUT.keys()) == []


def test_what_is_left_out_is_there_to_be_left_out():
    assert not LEFT_OUT.keys() & RECIPES.keys()
    assert all(LEFT_OUT.values())
