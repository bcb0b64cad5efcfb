"""Budgets are kept as the GPU's allocator counts, and estimates are near to it, stage by stage."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.errors import BudgetError, EvocacheWarning
from evocache.memory.planner.planner import USUAL
from tests.gpu.rig import LARGE, nothing_left, weighed, workspace
from tests.runtime.support import random_schedule

EXACT = 1.01
"""Most that is held, as a share of what was predicted, beside what kernels take within themselves."""

NEAR = 0.6
"""Least that is held, as a share of what was predicted: else the prediction is of no use."""

TOLERANCE = 5e-4
"""Largest difference of slices from the whole, in float32, as a share of the largest value."""


@contextmanager
def tensor_cores():
    """As PyTorch has it: without TF32 the workspaces of convolutions cannot be told, so what is held is not weighed."""
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, True
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="cuDNN is of a GPU")
def test_budgets_without_tensor_cores_are_warned_about(made):
    one = made("large pixart")
    with (
        apply(one.pipe, "fora:2", memory="8GB") as handle,
        pytest.warns(EvocacheWarning, match="may be exceeded: convolutions in float32 without TF32"),
    ):
        handle.plan(**one.given)


@pytest.fixture(scope="module")
def kernels():
    """Bytes that kernels take within themselves in an uncached call, by pipeline."""
    known: dict[str, int] = {}

    def get(one):
        if one.name not in known:
            with tensor_cores():
                known[one.name] = workspace(one)
        return known[one.name]

    return get


def mib(size):
    return f"{size / 2**20:.1f} MiB"


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("spec", ["none", "fora:2"])
def test_stages_hold_what_was_predicted(made, kernels, note, name, spec):
    one = made(name)
    beyond = kernels(one)
    with apply(one.pipe, spec) as handle:
        handle.machine = USUAL
        plan = handle.plan(**one.given)
        with tensor_cores():
            one.call()
            _, _, stages = weighed(one, one.call)
        assert handle.stats.peak_cached_bytes == plan.stages["denoise"].features
    told = ", ".join(f"{s} {mib(stages[s])} of {mib(plan.stages[s].bytes)} predicted" for s in plan.stages)
    note(f"{told}; kernels {mib(beyond)}")
    for stage, predicted in plan.stages.items():
        assert NEAR * predicted.bytes <= stages[stage] <= EXACT * predicted.bytes + beyond, stage


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("seed", range(4))
def test_any_schedule_keeps_any_budget(made, kernels, note, name, seed):
    one, rng = made(name), np.random.default_rng(seed)
    beyond, before = kernels(one), one.reference
    schedule = random_schedule(one.model.tree, 4, seed)
    with apply(one.pipe, schedule) as handle:
        handle.machine = USUAL
        whole = one.call()
        most = handle.plan(**one.given).peak
    budget = int(rng.uniform(0.2, 1.0) * most)
    with apply(one.pipe, schedule, memory=budget) as handle:
        handle.machine = USUAL
        try:
            handle.plan(**one.given)
        except BudgetError as error:
            budget += error.shortfall
            with apply(one.pipe, schedule, memory=budget - 1) as tight:
                tight.machine = USUAL
                with pytest.raises(BudgetError) as refused:
                    one.call()
            assert refused.value.shortfall == 1
    with apply(one.pipe, schedule, memory=budget) as handle:
        handle.machine = USUAL
        with tensor_cores():
            one.call()  # components have left the device, if they are planned to
            _, held, _ = weighed(one, one.call)
        out = one.call()
        plan = handle.memory
        assert plan.peak <= budget
        assert handle.stats.cached_bytes == 0
    ways = [
        w for w, on in (("offload", plan.offload), ("slices", any(plan.cuts.values())), ("parks", plan.moved)) if on
    ]
    note(f"{mib(held)} of {mib(budget)} ({mib(most)} as it is), {' '.join(ways) or 'nothing done'}")
    assert held <= EXACT * budget + beyond
    assert one.off(out, whole) <= TOLERANCE
    assert one.off(one.call(), before) == 0


@pytest.mark.parametrize("name", LARGE)
def test_removing_frees_all(made, device, name):
    one = made(name)
    with apply(one.pipe, "fora:2") as handle:
        handle.machine = USUAL
        most = handle.plan(**one.given).peak
    one.call()
    with nothing_left(device), apply(one.pipe, "fora:2", memory=int(0.9 * most)) as handle:
        handle.machine = USUAL
        try:
            one.call()
        except BudgetError as error:
            handle.budget += error.shortfall
            one.call()
    assert one.pipe.device.type == device.type
    assert np.array_equal(one.call(), one.reference)
