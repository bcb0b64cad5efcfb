"""Schedules of any kind, on every family: what runs and what is held is what was foretold."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.support import executes, random_schedule, with_nested_spans
from tests.tiny import FAMILIES, FAMILY_OF

SEEDS = {"pixart": 4, "flux": 4, "sd15": 3, "wan": 3}


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize(("name", "seed"), [(n, s) for n in FAMILIES for s in range(SEEDS.get(n, 1))])
def test_random_schedules_run_and_hold_what_they_say(family, name, seed):
    one = family(name)
    schedule = random_schedule(with_nested_spans(one.model.tree), 4, seed)
    output = executes(one, schedule, lambda tree, steps: schedule.resampled(steps))
    assert not np.array_equal(output, one.reference)
