"""Schedule files that lie about a model's components: refused, or run as the honest file is."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evocache import Error, apply
from evocache.errors import MismatchError
from evocache.policies import parse
from evocache.runtime.estimate.estimate import plan_memory
from evocache.schedule import Schedule, Tree, dumps, save
from tests.schedule.mutations import mutated

SPECS = {"flux": "fora:2", "pixart": "steps:0,2", "sd15": "deepcache:2"}


@pytest.fixture(scope="module")
def honest():
    """Documents and outputs of honest files, by family."""
    return {}


@pytest.mark.parametrize("name", SPECS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_file_is_refused_or_runs_as_the_honest_one(family, tmp_path_factory, honest, name, data):
    one = family(name)
    if name not in honest:
        schedule = parse(SPECS[name]).schedule(one.model.tree, 4)
        with apply(one.pipe, schedule):
            honest[name] = json.loads(dumps(schedule)), one.call()
    document, expected = honest[name]
    file = tmp_path_factory.mktemp("forged") / "schedule.json"
    file.write_text(json.dumps(data.draw(mutated(document, most=2))))
    try:
        handle = apply(one.pipe, file)
    except Error:
        return
    with handle:
        assert np.array_equal(one.call(), expected)


def test_what_plans_memory_refuses_a_forged_file_too(family, tmp_path):
    one = family("pixart")
    tree = one.model.tree
    attention, other = tree.of_kind("attention")[0].id, tree.of_kind("feed_forward")[0].id
    forged = Tree(tuple(replace(c, readers=(other,)) if c.id == attention else c for c in tree))
    file = tmp_path / "forged.json"
    save(Schedule.full(forged, 4), file)
    for use in (lambda: apply(one.pipe, file), lambda: plan_memory(one.pipe, {"prompt": "a fox"}, file)):
        with pytest.raises(MismatchError, match=f"{attention} read by {other} alone"):
            use()
    assert np.array_equal(one.call(), one.reference)
