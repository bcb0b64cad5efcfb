"""Policies, gates and guidance on a GPU: what they promise elsewhere, and the same bits twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.memory.quantization import CODINGS, Quantized, decode, encode
from evocache.policies import parse
from tests.gpu.rig import nothing_left
from tests.runtime.support import changes, snapshot, suits

SPECS = ("fora:2", "deepcache:2", "taylorseer:2", "steps:0,2", "tgate:2", "pab:2")
GATES = ("teacache:0.3", "fbcache:0.2", "dbcache:0.2", "easycache:0.2")
NAMES = ("sd15", "sdxl", "pixart", "flux", "animatediff", "wan", "cogvideox")


def applicable(one, spec):
    try:
        parse(spec).schedule(one.model.tree, 8)
    except Exception:
        return False
    return suits(spec, one.model.tree) if spec.partition(":")[0] in ("fora", "deepcache", "tgate") else True


@pytest.mark.parametrize("name", NAMES)
def test_all_computed_is_the_same_bits_and_nothing_stays(made, device, name):
    one = made(name)
    assert np.array_equal(one.call(), one.reference)
    with nothing_left(device):
        before = snapshot(one.pipe)  # which keeps what it saw alive
        with apply(one.pipe, "none"):
            assert np.array_equal(one.call(), one.reference)
        ran = 0
        for spec in SPECS:
            if not applicable(one, spec):
                continue
            ran += 1
            with apply(one.pipe, spec) as handle:
                outs = [one.call() for _ in range(2)]
                assert np.array_equal(*outs), spec
                assert np.isfinite(outs[0]).all()
                assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes > 0
                assert handle.stats.cached_bytes == 0
                assert handle.stats.executed_fraction < 1
        assert ran >= 2
        assert np.array_equal(one.call(), one.reference)
        left = {path for path in changes(before, snapshot(one.pipe)) if not path.startswith(("scheduler", "tokenizer"))}
        assert not {path for path in left if "evocache" in path or path.endswith(".__class__")}
        del before


@pytest.mark.parametrize("name", ["sd15", "pixart", "flux", "wan"])
@pytest.mark.parametrize("spec", GATES)
def test_gates_decide_alike_twice_and_replay(made, device, name, spec):
    one = made(name)
    one.call(steps=8)
    with nothing_left(device):
        with apply(one.pipe, spec) as handle:
            outs = [one.call(steps=8) for _ in range(2)]
            recorded = handle.recorded
        assert np.array_equal(*outs)
        with apply(one.pipe, recorded):
            assert np.array_equal(one.call(steps=8), outs[0])


@pytest.mark.parametrize("name", ["sd15", "pixart", "wan"])
def test_guidance_is_made_from_the_first_call(made, name):
    one = made(name)
    with apply(one.pipe, "fastercache:2,0.5,0.3,2") as handle:
        outs = [one.call(steps=8) for _ in range(2)]
        assert handle.stats.executed_fraction < 1
    assert np.array_equal(*outs)
    assert np.isfinite(outs[0]).all()


@pytest.mark.parametrize("storage", CODINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_codings_are_those_of_the_cpu(device, storage, dtype):
    """Codes are made by the same sums on any device: they differ by a rounding at most, and by nothing in bf16."""
    for shape in ((3, 40, 64), (2, 8, 16, 16), (1, 4, 5, 8, 8)):
        there = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype) * 3
        here = there.to(device)
        a, b = encode(there, storage), encode(here, storage)
        assert [p.dtype for p in a.parts] == [p.dtype for p in b.parts]
        assert all(part.device.type == device.type for part in b.parts)
        assert a.bytes == b.bytes
        back = decode(Quantized(b.coding, b.dtype, b.parts))
        assert back.dtype == dtype
        assert back.device.type == device.type
        wrong = (back.cpu().float() - decode(a).float()).abs().max()
        assert wrong <= {"fp8": 0.5, "int8": 0.1}.get(storage, 0.0) * (1 if storage in ("fp8", "int8") else 0)


@pytest.mark.parametrize("storage", ["bf16", "fp8", "int8"])
@pytest.mark.parametrize("name", ["sd15", "large wan"])
def test_stored_in_fewer_bits(made, device, name, storage):
    one = made(name)
    with apply(one.pipe, "fora:2") as handle:
        whole, most = one.call(), handle.stats.peak_cached_bytes
    with nothing_left(device), apply(one.pipe, "fora:2", storage=storage) as handle:
        outs = [one.call() for _ in range(2)]
        assert handle.stats.peak_cached_bytes < most
    assert np.array_equal(*outs)
    assert 0 < one.off(outs[0], whole) < 0.5


@pytest.mark.parametrize("name", ["sd15_img2img", "flux_img2img"])
def test_late_starts_are_told_without_values(made, name):
    """Timesteps on the device are told apart by where they lie in memory."""
    one = made(name)
    with apply(one.pipe, "fora:2") as handle:
        outs = [one.call() for _ in range(2)]
        assert {branch.start for branch in handle._latest.record.branches} == {1}
    assert np.array_equal(*outs)


@pytest.mark.parametrize("kind", ["cpu", "device"])
def test_generators_of_either_device(made, device, kind):
    one = made("pixart")
    where = device if kind == "device" else torch.device("cpu")

    def call():
        return one.call(generator=torch.Generator(where).manual_seed(3))

    with apply(one.pipe, "fora:2") as handle:
        whole = call()
        seeded = torch.Generator(where).manual_seed(3)
        state = seeded.get_state()
        handle.plan(**{**one.given, "generator": seeded})
        assert torch.equal(seeded.get_state(), state)
        drawn = torch.cuda.get_rng_state() if device.type == "cuda" else torch.get_rng_state()
        handle.plan(**{**one.given, "generator": seeded, "num_inference_steps": 5})
        assert torch.equal(torch.cuda.get_rng_state() if device.type == "cuda" else torch.get_rng_state(), drawn)
        assert np.array_equal(call(), whole)
