"""What holds for every policy, on every family that it suits."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

from evocache.errors import PolicyError
from evocache.policies import POLICIES, is_spec, parse
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


def compiled(tree, spec, steps):
    try:
        return parse(spec).schedule(tree, steps)
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
    if policy.name not in ("none", "steps"):  # which are nobody's
        assert re.fullmatch(r"arXiv \d{4}\.\d{5}", policy.paper)
        assert policy.paper in inspect.getsource(inspect.getmodule(policy)).split('"""')[1]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", FAMILIES)
def test_schedules_are_legal_for_any_number_of_steps(family, name, spec):
    tree = family(name).model.tree
    least = parse(spec).min_steps
    for steps in sorted({least, 5, 20, 50}):
        schedule = compiled(tree, spec, steps)
        if schedule is None:
            assert compiled(tree, spec, 100) is None  # it is the model that does not suit
            continue
        assert schedule.steps == steps
        drawn = spec.startswith(("delta", "fastercache"))  # spans, and guidance
        assert schedule.tree is tree or (drawn and schedule.tree.structure == tree.structure)
        assert schedule.executed[0].all()
        assert schedule.provenance.origin == parse(spec).spec
        assert compiled(tree, spec, steps) == schedule
    if schedule is not None:
        assert loads(dumps(schedule)) == schedule


@pytest.mark.parametrize("name", ["pixart", "flux", "sd15"])
def test_an_interval_of_one_and_a_late_gate_compute_everything(family, name):
    tree = family(name).model.tree
    for spec in ("fora:1", "deepcache:1", "tgate:9", "steps:0,1,2,3,4"):
        schedule = compiled(tree, spec, 5)
        assert schedule is None or schedule.is_full


@pytest.mark.parametrize("name", FAMILIES)
def test_longer_intervals_compute_less(family, name):
    tree = family(name).model.tree
    for policy in ("fora", "deepcache"):
        schedules = [compiled(tree, f"{policy}:{n}", 20) for n in (1, 2, 3, 5, 10)]
        if None not in schedules:
            counts = [int(s.executed.sum()) for s in schedules]
            assert counts == sorted(set(counts), reverse=True)
            assert np.array_equal(np.flatnonzero(~schedules[1].executed.all(axis=1)), np.arange(1, 20, 2))
