"""A memory budget holds on modular pipelines of diffusers, as measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evocache import apply
from evocache.errors import BudgetError
from evocache.model import discover
from evocache.runtime.estimate.measure import measure
from tests.pipelines import KNOWN_WARNINGS, ROWS

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]

EXACT = 1.01
"""Most that a run may hold, as a share of its budget."""

NEAR = 0.6
"""Least that it must hold as it is, as a share of what was predicted."""

NAMES = ("QwenImageModularPipeline", "ZImageModularPipeline", "LTXModularPipeline")
"""With a table of rotary positions, with masks of truths that attention adds to its scores, and with a video."""


@pytest.mark.table("name", family=lambda name: "modular")
@pytest.mark.parametrize("name", NAMES)
def test_a_modular_pipeline_holds_no_more_than_its_budget(name):
    """As it is, at the least budget, and in the middle."""
    row = next(row for row in ROWS if row.name == name)
    pipe = row.build()
    pipe.set_progress_bar_config(disable=True)
    model = discover(pipe)

    def held() -> tuple[np.ndarray, int]:
        out: list[Any] = []
        stages = measure(pipe, model, lambda: out.append(row.run(pipe)))
        return out[0], max(stage.bytes for stage in stages.values())

    with apply(pipe, "fora:2") as handle:
        most = handle.plan(**row.arguments()).peak
        whole, peak = held()
        assert NEAR * most <= peak <= EXACT * most
    with apply(pipe, "fora:2", memory=0) as handle, pytest.raises(BudgetError) as refused:
        handle.plan(**row.arguments())
    least = refused.value.shortfall
    for budget in {least, (least + most) // 2}:
        with apply(pipe, "fora:2", memory=budget) as handle:
            output, peak = held()
            assert handle.memory.peak <= budget
        assert peak <= EXACT * budget
        assert float(np.abs(output - whole).max()) <= 2e-4 * max(float(np.abs(whole).max()), 1.0)
