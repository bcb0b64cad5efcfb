"""Weights that leave the GPU, by accelerate and diffusers, before `apply` and after: what is skipped is not loaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from accelerate.hooks import AlignDevicesHook, CpuOffload
from diffusers.hooks import group_offloading

from evocache import apply
from evocache.memory.planner.planner import MemoryPlan
from tests.composition.counting import counting
from tests.gpu.rig import device_of_tests
from tests.tiny import FAMILIES

CASES = [("pixart", "fora:2"), ("pixart", "steps:0,2"), ("sd15", "deepcache:2")]
FIRST = ("apply", "offload")


@pytest.fixture(scope="module")
def expected():
    """Outputs without offloading."""
    known = {}

    def get(name, spec):
        if (name, spec) not in known:
            pipe = FAMILIES[name].build().to(device_of_tests())
            with apply(pipe, spec):
                known[name, spec] = FAMILIES[name].call(pipe)
        return known[name, spec]

    return get


def generated(name, spec, first, offload, times=2):
    """Outputs under a schedule and offloading, of which one comes first; the pipeline and its handle."""
    pipe = FAMILIES[name].build()
    if first == "offload":
        offload(pipe)
    with apply(pipe, spec) as handle:
        if first == "apply":
            offload(pipe)
        outs = [FAMILIES[name].call(pipe) for _ in range(times)]
    return outs, pipe, handle


def denoiser(pipe):
    return getattr(pipe, name_of(pipe))


def name_of(pipe):
    return "unet" if hasattr(pipe, "unet") else "transformer"


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize(("name", "spec"), CASES)
def test_model_offloading(expected, monkeypatch, device, name, spec, first):
    want = expected(name, spec)
    moves = counting(monkeypatch, CpuOffload, "pre_forward", lambda hook, module, *_: id(module))
    outs, pipe, _ = generated(name, spec, first, lambda pipe: pipe.enable_model_cpu_offload(device=device))
    for out in outs:
        assert np.array_equal(out, want)
    assert moves[id(denoiser(pipe))] == 2 * 4
    assert next(denoiser(pipe).parameters()).device.type == "cpu"


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize(("name", "spec"), CASES)
def test_sequential_offloading(expected, monkeypatch, device, name, spec, first):
    if device.type != "cuda":
        pytest.skip("diffusers refuses it on the CPU")
    want = expected(name, spec)
    loads = counting(monkeypatch, AlignDevicesHook, "pre_forward", lambda hook, module, *_: id(module))
    outs, pipe, handle = generated(
        name, spec, first, lambda pipe: pipe.enable_sequential_cpu_offload(device=device), times=1
    )
    assert np.array_equal(outs[0], want)
    assert next(denoiser(pipe).parameters()).device.type == "meta"
    modules = handle.model.denoisers[0].modules
    for component in handle.model.tree.of_kind("feed_forward"):
        (linear, *_) = (m for m in modules[component.id].modules() if m._parameters)
        assert loads[id(linear)] == handle.stats.executed[component.id]


GROUPS = [(name, spec, "leaf_level") for name, spec in CASES] + [(*case, "block_level") for case in CASES[:2]]


@pytest.mark.parametrize("stream", [False, True], ids=["waits", "streams"])
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize(("name", "spec", "level"), GROUPS)
def test_group_offloading(expected, monkeypatch, device, note, name, spec, level, first, stream):
    """With a stream each group is fetched in the one before it: one whose predecessor is skipped must be there, too."""
    if stream and device.type != "cuda":
        pytest.skip("streams are of a GPU")
    want = expected(name, spec)
    loads = counting(monkeypatch, group_offloading.ModuleGroup, "onload_", lambda group: id(group.onload_leader))

    def offload(pipe):
        pipe.to(device)
        denoiser(pipe).enable_group_offload(
            device, torch.device("cpu"), offload_type=level, num_blocks_per_group=1, use_stream=stream
        )

    outs, _, handle = generated(name, spec, first, offload, times=1 if not stream else 2)
    for out in outs:
        assert np.array_equal(out, want)
    modules, executed = handle.model.denoisers[0].modules, handle.stats.executed
    runs = fetched = 0
    for component in handle.model.tree.of_kind("feed_forward" if level == "leaf_level" else "block"):
        leaders = [m for m in modules[component.id].modules() if id(m) in loads]
        runs += executed[component.id]
        fetched += loads[id(leaders[0])] if leaders else 0
        if not stream:
            assert loads[id(leaders[0])] == executed[component.id]
    note(f"{runs} runs of components in the last of {len(outs)} generations, {fetched} loads in all")


@pytest.mark.parametrize("name", ["pixart", "sd15"])
def test_planned_offloading_is_undone(device, name):
    """A budget below the weights: components leave the device for good reason, and come back with `remove`."""
    if device.type != "cuda":
        pytest.skip("components leave an accelerator only")
    pipe, tiny = FAMILIES[name].build().to(device), FAMILIES[name]
    with apply(pipe, "fora:2") as handle:
        whole = tiny.call(pipe)
    stages = {"text_encoder": ("encode",), "vae": ("decode",), name_of(pipe): ("denoise",)}
    with apply(pipe, "fora:2", memory=MemoryPlan(None, {}, offload=stages)) as handle:
        for _ in range(2):
            assert np.array_equal(tiny.call(pipe), whole)
            assert next(denoiser(pipe).parameters()).device.type == "cpu"
    assert handle is not None
    assert {p.device.type for p in denoiser(pipe).parameters()} == {"cuda"}
    assert not any(hasattr(part, "_hf_hook") for part in (denoiser(pipe), pipe.vae, pipe.text_encoder))
    with apply(pipe, "fora:2"):
        assert np.array_equal(tiny.call(pipe), whole)
