"""What holds for every policy, on every family that it suits."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

from evocache.errors import PolicyError
from evocache.model import discover
from evocache.policies import POLICIES, Gate, Policy, is_spec, parse, parse_policy
from evocache.schedule import dumps, loads
from tests.tiny import FAMILIES

SPECS = [
    "none",
    "fora:1",
    "fora:3",
    "taylorseer:4",
    "taylorseer:3,2",
    "smoothcache:0.1,nowhere",
    "deepcache:2",
    "deepcache:5,1",
    "tgate:1",
    "tgate:9",
    "steps:0",
    "steps:0,1,4",
    "even:2",
    "even:1.5,3",
    "deepcache:3,0,2,1.4",
    "pab:2",
    "pab:2,5,0.1,0.8",
    "fastercache:2",
    "fastercache:3,0.4,0.5",
    "fastercache:2,0.5,0.3,5",
    "delta-dit:2,1,2",
    "freqca:3",
    "freqca:4,1,0.5",
    "l2c:0.3,nowhere",
    "dpcache:4,nowhere",
    "lemica:4,nowhere",
    "magcache:0.1,3,0.2,nowhere",
    "fbcache:0.1",
    "dbcache:0.2",
    "dbcache:0.2,2,1,3,4,1",
    "teacache:0.3",
    "teacache:0.3,2.5,-1.0,0.5",
    "easycache:0.05",
    "easycache:0.05,5",
]


KNOWN = [spec for spec in SPECS if issubclass(POLICIES[spec.split(":")[0]], Policy)]
"""Those of policies, whose schedules are known beforehand; the others are of gates."""


@pytest.fixture(scope="module")
def trees():
    """Component trees of all tiny pipelines, which are built, and never run; one of each shape."""
    found = {}
    for name, tiny in FAMILIES.items():
        tree = discover(tiny.build()).tree
        parts = [(c.kind, c.block, tuple(tree.index[r] for r in c.readers)) for c in tree]
        found.setdefault((*parts, *tree.parents), (name, tree))
    return dict(found.values())


def compiled(tree, spec, steps):
    try:
        return parse_policy(spec).schedule(tree, steps)
    except PolicyError:
        return None


def test_every_policy_is_tested_here():
    assert {spec.split(":")[0] for spec in SPECS} == set(POLICIES)


@pytest.mark.parametrize("spec", SPECS)
def test_specs_survive_the_round_trip(spec):
    policy = parse(spec)
    assert is_spec(spec)
    assert parse(policy.spec) == policy
    assert parse(str(policy)) == policy


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_policies_say_what_they_are(policy):
    assert policy.usage.split(":")[0] == policy.name
    assert policy.summary
    if policy.name not in ("none", "steps", "even"):  # which are nobody's
        assert re.fullmatch(r"arXiv \d{4}\.\d{5}", policy.paper)
        assert policy.paper in inspect.getsource(inspect.getmodule(policy)).split('"""')[1]


def test_a_method_is_a_policy_or_a_gate_and_does_what_it_says(trees):
    """Where a schedule has to be known, a gate is refused before anything is asked of it."""
    tree = next(tree for tree in trees.values() if tree.of_kind("span"))
    for spec in SPECS:
        method = parse(spec)
        assert isinstance(method, Policy) != isinstance(method, Gate)
        assert hasattr(method, "schedule") == hasattr(method, "min_steps") == (spec in KNOWN)
        if isinstance(method, Gate):
            assert method.governed(tree)
            assert method.rule(8).steps == 8
            with pytest.raises(PolicyError, match=r"handle\.recorded"):
                parse_policy(spec)
        else:
            assert parse_policy(spec) == method


@pytest.mark.parametrize("spec", KNOWN)
def test_schedules_are_legal_for_any_number_of_steps(trees, spec):
    wrong = {}
    for name, tree in trees.items():
        try:
            legal(tree, spec)
        except AssertionError as error:
            wrong[name] = error
    assert wrong == {}


def legal(tree, spec):
    """What a policy makes of a tree is a schedule of it, the same each time, and survives being saved and loaded."""
    least = parse_policy(spec).min_steps
    some = max(least, 5)
    for steps in sorted({least, some, 50}):
        schedule = compiled(tree, spec, steps)
        if schedule is None:
            assert compiled(tree, spec, 100) is None  # it is the model that does not suit
            continue
        assert schedule.steps == steps
        drawn = spec.startswith(("delta", "fastercache"))  # spans, and guidance
        assert schedule.tree is tree or (drawn and schedule.tree.structure == tree.structure)
        assert schedule.executed[0].all()
        assert schedule.provenance.origin == parse(spec).spec
        if steps == some:
            assert compiled(tree, spec, steps) == schedule
            assert loads(dumps(schedule)) == schedule


@pytest.mark.parametrize("spec", ["fora:1", "deepcache:1", "tgate:9", "steps:0,1,2,3,4"])
def test_an_interval_of_one_and_a_late_gate_compute_everything(trees, spec):
    schedules = [compiled(tree, spec, 5) for tree in trees.values()]
    assert all(schedule is None or schedule.is_full for schedule in schedules)
    assert any(schedules)


@pytest.mark.parametrize("policy", ["fora", "deepcache"])
def test_longer_intervals_compute_less(trees, policy):
    seen = 0
    for name, tree in trees.items():
        schedules = [compiled(tree, f"{policy}:{n}", 20) for n in (1, 2, 3, 5, 10)]
        if None in schedules:
            continue
        counts = [int(s.executed.sum()) for s in schedules]
        assert counts == sorted(set(counts), reverse=True), name
        assert np.array_equal(np.flatnonzero(~schedules[1].executed.all(axis=1)), np.arange(1, 20, 2)), name
        seen += 1
    assert seen
