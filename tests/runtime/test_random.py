"""Schedules of any kind, on every family: what runs and what is held is what was foretold."""

from __future__ import annotations

import numpy as np
import pytest

from evocache import apply
from tests.runtime.support import counted, random_schedule, with_nested_spans
from tests.tiny import FAMILIES

SEEDS = {"pixart": 4, "flux": 4, "sd15": 3, "wan": 3}


@pytest.mark.parametrize(("name", "seed"), [(n, s) for n in FAMILIES for s in range(SEEDS.get(n, 1))])
def test_random_schedules_run_and_hold_what_they_say(family, name, seed):
    one = family(name)
    schedule = random_schedule(with_nested_spans(one.model.tree), 4, seed)
    expected = one.expected(lambda tree, steps: schedule.resampled(steps))
    with apply(one.pipe, schedule) as handle, counted(one) as ran:
        output = one.call()
    modules = {id for denoiser in one.model.denoisers for id in denoiser.modules}
    assert {id: ran[id] for id in modules} == {id: expected[id] for id in modules}
    assert handle.stats.executed == expected
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes > 0
    assert handle.stats.cached_bytes == 0
    assert np.isfinite(output).all()
    assert not np.array_equal(output, one.reference)
