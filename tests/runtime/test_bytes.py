"""Cached features, measured from outside: by the garbage collector, and where the decoder is called."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from evocache import Schedule, apply
from evocache.policies import parse
from evocache.schedule import liveness
from tests.family import Family
from tests.runtime.support import random_schedule, suits, with_nested_spans
from tests.tiny import FAMILIES, FAMILY_OF

SMALL = 64
"""Storages below this many bytes are not counted: stand-ins for outputs that nobody reads have one element."""


@pytest.fixture(autouse=True)
def frozen() -> None:
    """What is there before a test is no business of its own: looking at all of it takes seconds a time."""
    gc.collect()
    gc.freeze()


def live_bytes() -> int:
    """Bytes of all storages of tensors that Python can reach."""
    gc.collect()
    tensors = [t for t in gc.get_objects() if type(t) is torch.Tensor and not _is_wrapper(t)]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(size for size in storages.values() if size >= SMALL)


def _is_wrapper(tensor: torch.Tensor) -> bool:
    """Whether a tensor is what functorch made of another, as for vectorised masks; it has no storage."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))


@contextmanager
def at_steps(pipe: Any, look: Any) -> Iterator[list[Any]]:
    """Look whenever the scheduler is about to step."""
    seen: list[Any] = []
    step = pipe.scheduler.step

    def stepping(*args: Any, **kwargs: Any) -> Any:
        seen.append(look())
        return step(*args, **kwargs)

    pipe.scheduler.step = stepping
    try:
        yield seen
    finally:
        del pipe.scheduler.step


@contextmanager
def output_bytes(one: Family) -> Iterator[dict[str, int]]:
    """Bytes of what the module of each component returns."""
    sizes: dict[str, int] = {}

    def hook(id: str) -> Any:
        def look(module: Any, args: Any, output: Any) -> None:
            parts = output if isinstance(output, tuple) else (output,)
            sizes[id] = sum(t.numel() * t.element_size() for t in parts if isinstance(t, torch.Tensor))

        return look

    modules = [(id, module) for d in one.model.denoisers for id, module in d.modules.items()]
    hooks = [module.register_forward_hook(hook(id)) for id, module in modules]
    try:
        yield sizes
    finally:
        for handle in hooks:
            handle.remove()


@pytest.mark.parametrize("name", ["pixart", "flux", "sd3", "wan"])
def test_between_steps_memory_grows_by_what_is_alive_and_nothing_else(family, name):
    one = family(name)
    schedule = random_schedule(one.model.tree, 4, seed=7)
    with output_bytes(one) as sizes:
        one.call()
    for span in one.model.tree.of_kind("span"):  # a residual of what leaves the last block
        sizes[span.id] = sizes[one.model.tree.of_kind("block")[-1].id]
    with at_steps(one.pipe, live_bytes) as plain:
        one.call()
    with apply(one.pipe, schedule), at_steps(one.pipe, live_bytes) as cached:
        one.call()
    ids = [c.id for c in schedule.components]
    alive = [sum(sizes[ids[v.component]] for v in step) for step in liveness.find_held_values(schedule)]
    assert max(alive) > 0
    branches = one.tiny.calls_per_step
    assert [b - a for a, b in zip(plain, cached, strict=True)] == [n * branches for n in alive]


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_is_alive_when_the_decoder_runs(family, name, monkeypatch):
    one = family(name)
    modules = [part for part in one.pipe.components.values() if isinstance(part, torch.nn.Module)]
    decoder = next(module for module in modules if hasattr(module, "decode"))
    for spec in ("fora:3", "steps:0,2", "deepcache:3"):
        if not suits(spec, one.model.tree):
            continue
        handle = apply(one.pipe, spec)
        held: list[tuple[int, int]] = []
        decode = type(decoder).decode

        def looking(self, *args, _decode=decode, _handle=handle, _held=held, **kwargs):
            _held.append((_handle.stats.cached_bytes, _handle._latest.record.store.features))
            return _decode(self, *args, **kwargs)

        with handle, monkeypatch.context() as patch:
            patch.setattr(type(decoder), "decode", looking)
            one.call()
        assert held
        assert set(held) == {(0, 0)}, spec
        assert handle.stats.peak_cached_bytes > 0


@pytest.mark.parametrize("name", ["sd15", "sdxl", "svd", "animatediff", "text_to_video_sd"])
@pytest.mark.parametrize("branch", [0, 2])
def test_deepcache_holds_one_tensor(family, name, branch):
    one = family(name)
    spec = f"deepcache:2,{branch}"
    exits = one.model["unet"].unet.deeps[branch].exits
    sizes: list[int] = []
    hooks = [m.register_forward_hook(lambda m, a, output: sizes.append(first(output).nbytes)) for m in exits]
    one.call(steps=1)
    for hook in hooks:
        hook.remove()
    with apply(one.pipe, spec) as handle, at_steps(one.pipe, lambda: held(handle._latest.follower.store)) as counts:
        one.call()
    assert counts == [[sizes[-1]], [], [sizes[-1]], []]
    assert handle.stats.peak_cached_bytes == sizes[-1]


def first(output: Any) -> torch.Tensor:
    """The tensor, or the first of a tuple."""
    return output[0] if isinstance(output, tuple) else output


def held(store: Any) -> list[int]:
    """Bytes of every tensor in a store."""
    return [t.nbytes for pieces in store._features.values() for piece in pieces for t in piece.tensors or ()]


@pytest.mark.parametrize("name", ["pixart", "flux", "sd15", "wan"])
def test_nothing_stays_after_the_generation(family, name):
    one = family(name)
    one.call()
    gc.collect()
    before = live_bytes()
    with apply(one.pipe, "fora:3") as handle:
        for _ in range(2):
            one.call()
            gc.collect()
            assert handle.stats.cached_bytes == handle._latest.record.store.features == 0
            assert live_bytes() == before


def test_sequential_guidance_holds_each_branch(family):
    one = family("wan")
    with apply(one.pipe, "fora:3") as handle:
        one.call()
        both = handle.stats.peak_cached_bytes
        one.call(guidance=False)
        assert both == 2 * handle.stats.peak_cached_bytes > 0
    schedule = parse("fora:3").schedule(one.model.tree, 4)
    assert np.array_equal(schedule.executed, handle.stats.schedule.executed)


def test_nothing_is_alive_at_decode_after_an_interruption(family):
    one = family("sd15")

    def interrupt(pipe, step, timestep, values):
        pipe._interrupt = step == 1
        return values

    held_then: list[int] = []
    decode = type(one.pipe.vae).decode
    with apply(one.pipe, "fora:4") as handle, pytest.MonkeyPatch.context() as patch:

        def looking(self, *args, **kwargs):
            held_then.append(handle.stats.cached_bytes)
            return decode(self, *args, **kwargs)

        patch.setattr(type(one.pipe.vae), "decode", looking)
        one.tiny.call(one.pipe, seed=0, steps=8, callback_on_step_end=interrupt)
    assert held_then == [0]
    assert handle.stats.peak_cached_bytes > 0


def test_a_preview_does_not_end_what_is_held(family):
    one = family("sd15")

    def preview(pipe, step, timestep, values):
        pipe.vae.decode(values["latents"])
        return values

    with apply(one.pipe, "fora:3") as handle:
        plain = one.tiny.call(one.pipe, seed=0, steps=6)
        counts = dict(handle.stats.executed)
        seen = one.tiny.call(one.pipe, seed=0, steps=6, callback_on_step_end=preview)
        assert handle.stats.executed == counts
    assert (plain == seen).all()


def test_a_block_is_read_before_the_span_that_it_ends(family):
    """At the second step a span's last block is read for the last time, and the span is stored: one is alive."""
    one = family("pixart")
    tree = with_nested_spans(one.model.tree)
    orders = np.full((4, len(tree)), -1)
    orders[1, tree.index["transformer/transformer_blocks.2"]] = 0
    orders[2, tree.index["transformer/blocks[1:3]"]] = 0
    with apply(one.pipe, Schedule.repaired(tree, orders, np.zeros(orders.shape))) as handle:
        one.call()
    (branch,) = handle._latest.record.branches
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes == max(branch.sizes.values())
