"""What runs is what the schedule says, as counted by hooks on the modules."""

from __future__ import annotations

import numpy as np
import pytest

from evocache import apply
from evocache.policies import parse
from tests.runtime.support import POLICIES, executes, suits
from tests.tiny import FAMILIES, FAMILY_OF

SLOW = ("svd", "animatediff", "text_to_video_sd")


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize(
    ("name", "spec"), [(n, s) for n in FAMILIES for s in POLICIES if n not in SLOW or s not in ("fora:3", "tgate:2")]
)
def test_policies_execute_what_their_schedules_say(family, name, spec):
    one = family(name)
    if not suits(spec, one.model.tree):
        pytest.skip(f"{spec} makes no sense here")
    output = executes(one, spec, parse(spec).schedule)
    if spec == "fora:2":
        with apply(one.pipe, spec):
            assert np.array_equal(one.call(), output)
