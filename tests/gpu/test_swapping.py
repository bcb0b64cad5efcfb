"""Features that are parked in pinned memory come back to the bit, while streams copy beside what computes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.memory import FeatureStore, Tape
from evocache.memory.planner.planner import MemoryPlan
from evocache.memory.tiers.host import HostTier
from tests.gpu.rig import alive, nothing_left
from tests.runtime.support import random_schedule
from tests.tiny import share

STORAGES = ("none", "bf16", "fp8", "int8")


def as_it_is(one, what, storage="none"):
    """Output, figures, and sizes of features by denoiser, with all of them on the device."""
    with apply(one.pipe, what, storage=storage) as handle:
        out = one.call()
        branches = [*handle._latest.record.branches]
        return out, handle.stats, branches, {branch.denoiser: dict(branch.sizes) for branch in branches}


def parked(one, what, plan, *, times=1):
    """Outputs and figures of generations under a plan, after which nothing of them is left."""
    outs = []
    with apply(one.pipe, what, memory=plan) as handle:
        for _ in range(times):
            outs.append(one.call())
            assert handle.stats.cached_bytes == 0
            assert handle._latest.record.store.features == 0
    return outs, handle.stats


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(
    ("name", "spec"),
    [("sd15", "fora:3"), ("large unet", "deepcache:2"), ("large wan", "taylorseer:2,1"), ("large wan", "steps:0,2")],
)
def test_to_the_bit(made, name, spec, storage):
    one = made(name)
    whole, before, branches, features = as_it_is(one, spec, storage)
    assert before.peak_cached_bytes > 0
    for capacity, ahead in ((0, 0), (0, 2), (before.peak_cached_bytes // 2, 1)):
        plan = MemoryPlan(None, {}, capacity=capacity, ahead=ahead, features=features, storage=storage)
        outs, stats = parked(one, spec, plan, times=2)
        for out in outs:
            assert np.array_equal(out, whole)
        tapes = []
        for branch in branches:
            sizes = features[branch.denoiser]
            tapes.append(Tape.of(branch.schedule, sizes, tuple(sizes), capacity, ahead))
        assert stats.moved_bytes == sum(tape.moved for tape in tapes)
        if len(branches) == 1:
            assert stats.peak_cached_bytes == tapes[0].peak


@pytest.mark.parametrize("name", ["sd15", "wan", "flux"])
@pytest.mark.parametrize("seed", range(3))
def test_random_schedules(made, name, seed):
    one = made(name)
    schedule = random_schedule(one.model.tree, 4, seed)
    whole, *_, features = as_it_is(one, schedule)
    for ahead in (0, 1, 3):
        (out,), stats = parked(one, schedule, MemoryPlan(None, {}, capacity=0, ahead=ahead, features=features))
        assert np.array_equal(out, whole)
        assert stats.moved_bytes > 0


def test_nothing_stays_on_the_device(made, device):
    one = made("large wan")
    plan = MemoryPlan(None, {}, capacity=0, ahead=1, features=as_it_is(one, "fora:2")[-1])
    with apply(one.pipe, "fora:2", memory=plan):
        one.call()
        with nothing_left(device):
            for _ in range(3):
                one.call()


def test_an_interrupted_generation_leaves_nothing(made, device):
    one = made("large wan")
    whole, *_, features = as_it_is(one, "fora:2")
    plan = MemoryPlan(None, {}, capacity=0, ahead=1, features=features)

    def stop(pipe, step, timestep, kwargs):
        if step == 1:
            raise KeyboardInterrupt
        return kwargs

    with apply(one.pipe, "fora:2", memory=plan) as handle:
        one.call()
        with nothing_left(device):
            for _ in range(3):
                with pytest.raises(KeyboardInterrupt):
                    one.call(callback_on_step_end=stop)
                assert handle._latest.record.store.features == 0
        assert np.array_equal(one.call(), whole)


def test_two_pipelines_in_two_threads(made):
    cases = []
    for name, spec in (("sd15", "fora:2"), ("large wan", "fora:3")):
        one = made(name)
        whole, *_, features = as_it_is(one, spec)
        cases.append((one, spec, whole, MemoryPlan(None, {}, capacity=0, ahead=1, features=features)))
    failed: list[BaseException] = []
    start = threading.Barrier(len(cases))

    def run(one, spec, whole, plan):
        try:
            start.wait()
            with apply(one.pipe, spec, memory=plan):
                for _ in range(3):
                    assert np.array_equal(one.call(), whole)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=case) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def test_two_pipelines_that_share_their_modules(made):
    one = made("pixart")
    whole, *_, features = as_it_is(one, "fora:2")
    plan = MemoryPlan(None, {}, capacity=0, ahead=1, features=features)
    twin = share(one.pipe)
    failed: list[BaseException] = []

    def run(pipe):
        try:
            with apply(pipe, "fora:2", memory=plan):
                for _ in range(2):
                    assert np.array_equal(one.tiny.call(pipe), whole)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(pipe,)) for pipe in (one.pipe, twin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="streams are of a GPU")


@cuda
@pytest.mark.parametrize("seed", range(3))
def test_a_store_under_load(seed):
    """Writes, parks, fetches and frees at random, while the computing stream is busy and memory is taken at once."""
    rng = np.random.default_rng(seed)
    tier = HostTier(torch.device("cuda"))
    store = FeatureStore(tier)
    a = torch.randn(2048, 2048, device="cuda")
    alive_values: dict[int, float] = {}
    for number in range(200):
        a = (a @ a).clamp_(-1, 1)  # the computing stream falls behind
        size = int(rng.choice([1 << 18, 1 << 20, 1 << 22]))
        store.put(number, [torch.full((size // 4,), float(number), device="cuda")])
        alive_values[number] = float(number)
        store.park(number)
        if rng.random() < 0.7:
            store.settle(number)
        torch.full((size // 4,), -1.0, device="cuda")  # takes the memory that was let go
        for key in rng.permutation(list(alive_values))[:2].tolist():
            act = rng.random()
            if act < 0.3:
                store.fetch(key)
            elif act < 0.6:
                (found,) = store.get(key)
                assert bool((found == alive_values[key]).all()), key
                store.settle(key)
            elif act < 0.8:
                store.settle(key)
            else:
                store.free(key)
                del alive_values[key]
    for key, value in alive_values.items():
        assert bool((store.get(key)[0] == value).all())
    store.clear()
    tier.close()
    assert store.bytes == 0


@cuda
def test_types_and_layouts_come_back():
    tier = HostTier(torch.device("cuda"))
    base = torch.randn(2, 6, 8, 4, device="cuda")
    cases = [base.to(t) for t in (torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn)]
    cases += [(base * 40).to(torch.int8), base.to(memory_format=torch.channels_last), base.transpose(1, 2)]
    cases += [base[:, ::2], base[:1, :1].expand(2, 6, 8, 4), torch.zeros(0, 3, device="cuda"), base.sum()]
    held = tier.park(cases)
    held.settle()
    for found, case in zip(held.take()[0], cases, strict=True):
        assert found.dtype == case.dtype
        assert found.device == case.device
        assert torch.equal(found.float(), case.float())
    held.drop()
    tier.close()


@cuda
def test_streams_of_the_users_own():
    """Generations that follow one another on different streams share the pinned buffers."""
    tier = HostTier(torch.device("cuda"))
    streams = [torch.cuda.Stream() for _ in range(2)]
    found = []
    for number in range(40):
        with torch.cuda.stream(streams[number % 2]):
            value = torch.full((1 << 20,), float(number), device="cuda")
            held = tier.park([value])
            held.settle()
            del value
            held.fetch()
            (back,) = held.take()[0]
            found.append((back == float(number)).all())
            held.drop()
    torch.cuda.synchronize()
    assert all(bool(ok) for ok in found)
    tier.close()


@cuda
def test_pinned_memory_is_used_again():
    device = torch.device("cuda")
    tier = HostTier(device)
    before = alive(device)
    for _ in range(3):
        held = tier.park([torch.zeros(1 << 20, device=device)])
        held.settle()
        held.drop()
    assert sum(len(buffers) for buffers in tier._free.values()) == 1
    assert all(buffer.is_pinned() for buffers in tier._free.values() for buffer in buffers)
    assert alive(device) <= before
    tier.close()
    assert not tier._free
