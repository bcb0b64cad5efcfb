"""Offloading goes on working, before `apply` and after it, and what is skipped never loads its weights.

Loads are counted in the hooks of accelerate and diffusers, with the CPU as the device that is computed on: the hooks
are the same ones. Accelerate keeps weights on the meta device in between: a module that is not loaded cannot run.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from accelerate import cpu_offload
from accelerate.hooks import AlignDevicesHook, CpuOffload, remove_hook_from_submodules
from diffusers.hooks import group_offloading

from evocache import apply
from evocache.policies import parse
from tests.composition.counting import counting
from tests.tiny import FAMILIES, KIND_OF

SPECS = {"pixart": ("fora:2", "steps:0,2"), "sd15": ("fora:2", "deepcache:2")}
CASES = [(name, spec, first) for name, specs in SPECS.items() for spec in specs for first in ("apply", "offload")]


def generated(one, spec, first, offload):
    """Output and figures under a schedule and offloading, of which one comes first."""
    if first == "offload":
        offload()
    with apply(one.pipe, spec) as handle:
        if first == "apply":
            offload()
        output = one.call()
        return output, handle.stats.executed


@pytest.fixture
def expected(family):
    def get(name, spec):
        with apply(family(name).pipe, spec):
            return family(name).call()

    return get


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize(("name", "spec", "first"), CASES)
def test_sequential_offloading(family, expected, monkeypatch, name, spec, first):
    """As `enable_sequential_cpu_offload` attaches it: weights are on the meta device but while their module runs."""
    one = family(name)
    denoiser = getattr(one.pipe, one.tiny.denoisers[0])
    held = {key: value.clone() for key, value in denoiser.state_dict().items()}
    want = expected(name, spec)
    loads = counting(monkeypatch, AlignDevicesHook, "pre_forward", lambda hook, module, *_: id(module))

    def offload():
        cpu_offload(denoiser, torch.device("cpu"), offload_buffers=False)
        assert next(denoiser.parameters()).device.type == "meta"

    try:
        output, executed = generated(one, spec, first, offload)
        assert next(denoiser.parameters()).device.type == "meta"
    finally:
        remove_hook_from_submodules(denoiser)
    denoiser.load_state_dict(held, assign=True)
    assert np.array_equal(output, want)
    assert executed == one.expected(parse(spec).schedule)
    for component in one.model.tree.of_kind("feed_forward"):
        (linear, *_) = (m for m in one.model.denoisers[0].modules[component.id].modules() if m._parameters)
        assert loads[id(linear)] == executed[component.id]
    assert {executed[c.id] for c in one.model.tree.of_kind("feed_forward")} >= {2}
    assert np.array_equal(one.call(), one.reference)


GROUPS = [(*case, "leaf_level") for case in CASES] + [(*case, "block_level") for case in CASES if case[0] == "pixart"]


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize(("name", "spec", "first", "level"), GROUPS)
def test_group_offloading(expected, family, monkeypatch, name, spec, first, level):
    """Groups of a leaf each, or of a block each: one that is skipped as a whole is not loaded."""
    one, want = family(name), expected(name, spec)
    twin = FAMILIES[name].build()
    denoiser = getattr(twin, one.tiny.denoisers[0])
    loads = counting(monkeypatch, group_offloading.ModuleGroup, "onload_", lambda group: id(group.onload_leader))

    def offload():
        cpu = torch.device("cpu")
        denoiser.enable_group_offload(cpu, cpu, level, num_blocks_per_group=1)

    if first == "offload":
        offload()
    with apply(twin, spec) as handle:
        if first == "apply":
            offload()
        assert np.array_equal(one.tiny.call(twin), want)
    executed = handle.stats.executed
    assert executed == one.expected(parse(spec).schedule)
    modules = handle.model.denoisers[0].modules
    for component in handle.model.tree.of_kind("feed_forward" if level == "leaf_level" else "block"):
        leader = next(m for m in modules[component.id].modules() if id(m) in loads)
        assert loads[id(leader)] == executed[component.id]


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize(("name", "spec", "first"), CASES)
def test_model_offloading(expected, family, monkeypatch, name, spec, first):
    """`enable_model_cpu_offload`: the denoiser is moved once a generation, whatever of it is skipped."""
    one, want = family(name), expected(name, spec)
    twin = FAMILIES[name].build()
    moves = counting(monkeypatch, CpuOffload, "pre_forward", lambda hook, module, *_: id(module))

    def offload():
        twin.enable_model_cpu_offload(device="cpu")

    if first == "offload":
        offload()
    with apply(twin, spec) as handle:
        if first == "apply":
            offload()
        for _ in range(2):  # diffusers attaches its hooks anew after each
            assert np.array_equal(one.tiny.call(twin), want)
    assert handle.stats.executed == one.expected(parse(spec).schedule)
    assert moves[id(getattr(twin, one.tiny.denoisers[0]))] == 2 * 4
    twin.remove_all_hooks()
    assert np.array_equal(one.tiny.call(twin), one.reference)


def test_a_denoiser_whose_output_is_forecast_is_moved_for_its_computed_steps_only(family, monkeypatch):
    one = family("pixart")
    twin = FAMILIES["pixart"].build()
    moves = counting(monkeypatch, CpuOffload, "pre_forward", lambda hook, module, *_: id(module))
    twin.enable_model_cpu_offload(device="cpu")
    with apply(twin, "freqca:2") as handle:
        output = one.tiny.call(twin, steps=8)
    assert np.isfinite(output).all()
    assert moves[id(twin.transformer)] == handle.stats.executed["transformer"] < 8
