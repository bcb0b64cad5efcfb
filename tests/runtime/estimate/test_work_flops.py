"""What denoiser calls compute, as it is counted without computing, against what is counted while they do."""

from __future__ import annotations

import pytest
from torch.utils.flop_counter import FlopCounterMode

from evocache import apply
from evocache.memory.planner.planner import Machine, plan
from evocache.runtime.compiled import Compiled
from evocache.runtime.estimate.dry_run import dry_run
from evocache.runtime.estimate.estimate import detailed, footprint
from evocache.runtime.estimate.many import FootprintsOfMany
from evocache.runtime.program.program import resolve
from tests.runtime.estimate.test_dry_run import given as arguments
from tests.tiny import KIND_OF


def counted(one, spec):
    """Floating-point operations of all denoiser calls of a generation under a schedule."""
    counter, total, began = FlopCounterMode(display=False), [], []
    denoiser = one.model.denoisers[0].module
    hooks = [
        denoiser.register_forward_pre_hook(lambda *_: began.append(counter.get_total_flops())),
        denoiser.register_forward_hook(lambda *_: total.append(counter.get_total_flops() - began.pop())),
    ]
    try:
        with apply(one.pipe, spec), counter:
            one.pipe(**arguments(one))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(total)


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize(
    ("name", "specs"),
    [
        ("pixart", ("fora:2", "steps:0,2", "fastercache:2,0.5,0,2")),
        ("sd15", ("fora:2", "deepcache:2")),
        ("wan", ("taylorseer:2", "fastercache:2,0.5,0,2")),
        ("flux", ("fora:3",)),
    ],
)
def test_work_is_what_is_computed(family, name, specs):
    one = family(name)
    seen = dry_run(one.pipe, one.model, (), arguments(one))
    prices = FootprintsOfMany(one.pipe, one.model, seen.steps, lambda steps: arguments(one))
    for spec in specs:
        compiled = Compiled(one.model, resolve(spec))
        found = detailed(footprint(one.pipe, compiled, seen), one.pipe, compiled, seen)
        computed = counted(one, spec)
        if name == "pixart" and spec.startswith("fastercache"):  # half of its batch is tried by itself, once
            computed -= counted(one, "none") / len(seen.calls("transformer")) / 2
        assert found.work == pytest.approx(computed, rel=1e-9)
        assert prices.of(compiled.schedule(seen.steps)).work == pytest.approx(found.work, rel=1e-9)


def test_moves_hide_behind_what_is_computed(family):
    one = family("pixart")
    compiled = Compiled(one.model, resolve("fora:2"))
    seen = dry_run(one.pipe, one.model, (), arguments(one))
    found = detailed(footprint(one.pipe, compiled, seen), one.pipe, compiled, seen)
    budget = plan(found, None).peak - 1
    slow, quick = (plan(found, budget, Machine(1e6, 1.0, flop), offload=False) for flop in (1.0, 0.0))
    assert slow.moved  # with launches that take a second, features are parked
    assert slow.seconds == 0.0
    assert quick.seconds == pytest.approx(quick.moved / 1e6)
