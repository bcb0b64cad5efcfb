"""Any schedule, on one denoiser: what runs, what is held, and that the output is finite."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evocache import Schedule, apply
from tests.runtime.support import counted, with_nested_spans

STEPS = 4


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_schedule_does_what_it_says(family, data):
    one = family("pixart")
    tree = with_nested_spans(one.model.tree)
    cells = STEPS * len(tree)
    orders = data.draw(st.lists(st.sampled_from((-1, -1, 0, 1, 2, 3)), min_size=cells, max_size=cells))
    gains = data.draw(st.lists(st.sampled_from((0.0, 0.5, 1.0, -0.5)), min_size=cells, max_size=cells))
    shape = (STEPS, len(tree))
    schedule = Schedule.repaired(tree, np.array(orders).reshape(shape), np.array(gains).reshape(shape))
    with apply(one.pipe, schedule) as handle, counted(one) as ran:
        output = one.call()
    modules = one.model["transformer"].modules
    assert dict(ran) == {id: n for id, n in schedule.counts().items() if id in modules and n}
    assert handle.stats.executed == schedule.counts()
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes
    assert handle.stats.cached_bytes == 0
    assert np.isfinite(output).all()
    assert np.array_equal(output, one.reference) == schedule.is_full
