"""Computing everything changes nothing, and what was applied leaves nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

from evocache import Schedule, apply
from tests.runtime.support import changes, counted, snapshot, suits
from tests.tiny import FAMILIES, FAMILY_OF


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_all_compute_is_bit_identical_and_leaves_nothing(family, name):
    one = family(name)
    first = snapshot(one.pipe)
    one.call()
    before = snapshot(one.pipe)
    volatile = changes(first, before)  # what any run changes: the scheduler's state, cached positions

    with apply(one.pipe, "none") as handle, counted(one) as ran:
        output = one.call()
    assert np.array_equal(output, one.reference)
    assert ran == {id: n for id, n in handle.stats.executed.items() if id in ran}
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes == 0
    assert handle.stats.executed_fraction == 1.0

    with apply(one.pipe, "fora:2" if suits("fora:2", one.model.tree) else "steps:0,2"):
        assert not np.array_equal(one.call(), one.reference)
    after = snapshot(one.pipe)
    assert changes(before, after) - volatile == set()
    assert before.keys() == after.keys()
    assert np.array_equal(one.call(), one.reference)


@pytest.mark.parametrize("name", ["pixart", "flux", "wan", "sd15", "animatediff"])
def test_a_full_schedule_is_bit_identical(family, name):
    one = family(name)
    with apply(one.pipe, Schedule.full(one.model.tree, 4)):
        assert np.array_equal(one.call(), one.reference)


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_between_generations_only_the_pipeline_itself_differs(family, name):
    one = family(name)
    before = snapshot(one.pipe)
    with apply(one.pipe, "steps:0,2"):
        differs = changes(before, snapshot(one.pipe))
        assert differs == {".__class__", "._evocache"}
        assert isinstance(one.pipe, before[".__class__"])
        assert type(one.pipe).__name__ == before[".__class__"].__name__
    assert changes(before, snapshot(one.pipe)) == set()
