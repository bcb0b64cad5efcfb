"""What was accelerated, planned or refused is freed when it is dropped, without the garbage collector's help."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, PixArtAlphaPipeline
from torch import nn

from evocache import Handle, apply, discover, plan_memory
from evocache.errors import BudgetError, PipelineError
from evocache.memory.planner.planner import MemoryPlan
from evocache.policies import parse
from evocache.runtime.compiled import GUIDED, PLANS, SCHEDULES, Compiled
from evocache.runtime.estimate.many import CALLS, FootprintsOfMany
from evocache.runtime.handle import handle_of
from evocache.runtime.pipeline_state import State
from evocache.schedule import REUSE, uniform
from tests.tiny import FAMILIES

SIZE: dict[str, Any] = {"height": 64, "width": 64, "use_resolution_binning": False}
CALL: dict[str, Any] = {**SIZE, "prompt": "a red fox", "num_inference_steps": 2, "output_type": "np"}
TINY = FAMILIES["pixart"]


def applied(pipe: Any) -> None:
    handle = apply(pipe, "fora:2")
    TINY.call(pipe, steps=2)
    handle.remove()
    assert handle.stats.executed_fraction < 1


def left_applied(pipe: Any) -> None:
    apply(pipe, "fora:2")
    TINY.call(pipe, steps=2)


def gated(pipe: Any) -> None:
    with apply(pipe, "fbcache:0.5"):
        TINY.call(pipe, steps=3)


def guided(pipe: Any) -> None:
    with apply(pipe, "fastercache:1,0.5,0,2"):
        TINY.call(pipe, steps=4)


def a_loop(pipe: Any) -> None:
    with apply(pipe, "fora:2") as handle, handle.generation():
        type(pipe).__mro__[1].__call__(pipe, **CALL)
    assert handle.stats.calls


def fails(pipe: Any) -> None:
    def callback(*_: Any) -> None:
        raise KeyboardInterrupt

    with apply(pipe, "fora:2"), pytest.raises(KeyboardInterrupt):
        TINY.call(pipe, callback=callback, callback_steps=1)


def weighed(pipe: Any) -> None:
    with apply(pipe, "fora:2", measure=True) as handle:
        TINY.call(pipe, steps=2)
        assert handle.stats.stages


def budgeted(pipe: Any) -> None:
    with apply(pipe, "fora:2", memory="1GB") as handle:
        TINY.call(pipe, steps=2)
        handle.plan(**{**CALL, "num_inference_steps": 3})


def refused(pipe: Any) -> None:
    with apply(pipe, "fora:2", memory="10KB"), pytest.raises(BudgetError):
        TINY.call(pipe, steps=2)


def no_call(pipe: Any) -> None:
    with apply(pipe, "fora:2", memory="1GB") as handle, pytest.raises(PipelineError):
        handle.plan(prompt=3)


def planned(pipe: Any) -> None:
    plan_memory(pipe, CALL, "fora:2", "1GB")


def priced(pipe: Any) -> None:
    assert FootprintsOfMany(pipe, discover(pipe), 2, lambda steps: {**CALL, "num_inference_steps": steps})


@pytest.mark.parametrize(
    "use",
    [applied, left_applied, gated, guided, a_loop, fails, weighed, budgeted, refused, no_call, planned, priced],
    ids=lambda use: use.__name__,
)
def test_a_pipeline_that_is_dropped_is_freed_at_once(use):
    pipe = TINY.build()
    modules = [part for part in pipe.components.values() if isinstance(part, nn.Module)]
    kept = [weakref.ref(thing) for module in modules for thing in (*module.modules(), *module.parameters())]
    del modules
    gc.collect()
    before = meta_tensors()
    gc.disable()
    try:
        use(pipe)
        del pipe
        assert sum(thing() is not None for thing in kept) == 0
        assert meta_tensors() == before  # of dry runs nothing is left but figures
    finally:
        gc.enable()


def parked(pipe: Any) -> MemoryPlan:
    """A plan that parks all features."""
    with apply(pipe, "fora:2") as handle:
        TINY.call(pipe, steps=2)
    features = {branch.denoiser: dict(branch.sizes) for branch in handle._latest.record.branches}
    return MemoryPlan(None, {}, capacity=0, ahead=1, features=features)


FOLLOWED = ["fora:2", "steps:0", "fbcache:0.5", "taylorseer:2,1", "fastercache:1,0.5,0,2", "park"]


def generated(pipe: Any, handle: Handle) -> list[weakref.ref[Any]]:
    """What a generation works with, besides the pipeline."""
    kept: list[weakref.ref[Any]] = []

    def callback(*_: Any) -> None:
        follower: Any = handle._latest.follower
        found = (follower, follower.store, follower.store.tier)
        kept.extend(weakref.ref(thing) for thing in found if thing is not None)

    TINY.call(pipe, steps=3, callback=callback, callback_steps=1)
    return kept


@pytest.mark.parametrize("spec", FOLLOWED)
@pytest.mark.parametrize("measure", [False, True])
def test_what_is_kept_of_a_call_that_is_over_keeps_nothing_else_alive(spec, measure):
    """Modules, weights, the store and the tier go with the pipeline; figures stay as they were."""
    pipe = TINY.build()
    memory = parked(pipe) if spec == "park" else None
    with apply(pipe, "fora:2" if memory else spec, memory=memory, measure=measure) as handle:
        kept = generated(pipe, handle)
        call, stats, recorded = handle._latest, handle.stats, handle.recorded
    assert len(kept) == (9 if memory else 6)
    modules = [part for part in pipe.components.values() if isinstance(part, nn.Module)]
    kept += [weakref.ref(thing) for module in modules for thing in (*module.modules(), *module.parameters())]
    del pipe, handle, modules
    gc.collect()
    assert [thing() for thing in kept if thing() is not None] == []
    assert call.stats == stats
    assert call.record.schedule == recorded


def meta_tensors() -> int:
    return sum(type(thing) in (torch.Tensor, nn.Parameter) and thing.is_meta for thing in gc.get_objects())


def test_plans_of_many_forms_hold_no_tensors():
    pipe = TINY.build()
    with apply(pipe, "fora:2", memory="1GB") as handle:
        counts = []
        for steps in (2, 3, 4):
            handle.plan(**{**CALL, "num_inference_steps": steps})
            gc.collect()
            counts.append((meta_tensors(), sum(isinstance(thing, State) for thing in gc.get_objects())))
    assert len(set(counts)) == 1


def test_schedules_and_plans_of_many_forms_do_not_add_up():
    """A program of 60 numbers of steps, entered at three of them each; what was used last is as it was."""
    pipe = TINY.build()
    compiled = Compiled(discover(pipe), parse("fora:2"))
    denoiser = compiled.model.denoisers[0]
    first = [(row.stores, row.recalls) for row in compiled.plan(denoiser, 2, 0)[0].rows]
    counts = []
    for steps in range(2, 62):
        for start in range(3):
            last = compiled.plan(denoiser, steps, min(start, steps - 1))
            compiled.reuses_guidance(denoiser.name, steps)
        counts.append([len(kept) for kept in (compiled._schedules, compiled._plans, compiled._reuses_guidance)])
    assert [max(column) for column in zip(*counts, strict=True)] == [SCHEDULES, PLANS, min(60, GUIDED)]
    assert compiled.plan(denoiser, 61, 2) is last
    assert [(row.stores, row.recalls) for row in compiled.plan(denoiser, 2, 0)[0].rows] == first


def test_prices_of_many_schedules_do_not_add_up():
    """Each stores features of other components, so that other parts of the denoiser are not cut."""
    pipe = TINY.build()
    model = discover(pipe)
    prices = FootprintsOfMany(pipe, model, 2, lambda steps: {**CALL, "num_inference_steps": steps})
    leaves = [c.id for c in model.tree if c.is_leaf]
    schedules = [
        uniform(model.tree, 2, some, (0,), REUSE)
        for size in range(1, len(leaves))
        for some in itertools.islice(itertools.combinations(leaves, size), 60)
    ]
    assert len(schedules) > CALLS
    found = [prices.of(schedule).denoise for schedule in schedules]
    assert len(prices._calls) == CALLS
    assert [prices.of(schedule).denoise for schedule in schedules[:3]] == found[:3]


def test_a_class_that_a_block_was_given_is_not_kept():
    pipe = TINY.build()
    block = pipe.transformer.transformer_blocks[1]
    plain = type(block)

    class Local(plain):
        pass

    block.__class__ = Local
    with apply(pipe, "steps:0"):
        TINY.call(pipe, steps=2)
    gone = weakref.ref(Local)
    block.__class__ = plain
    del Local
    gc.collect()
    assert gone() is None


def test_no_class_is_made_for_a_pipeline_or_a_generation():
    seen: list[tuple[type, int]] = []
    for _ in range(3):
        pipe = TINY.build()
        with apply(pipe, "fora:2", measure=True):
            TINY.call(pipe, steps=2)
            TINY.call(pipe, steps=2)
            gc.collect()
            seen.append((type(pipe), len(AutoencoderKL.__subclasses__())))
        assert type(pipe) is PixArtAlphaPipeline
    assert len(set(seen)) == 1
    assert seen[0][0] is not PixArtAlphaPipeline


def test_applying_again_and_again_keeps_nothing_of_what_was_applied():
    pipe = TINY.build()
    kept = []
    for _ in range(6):
        apply(pipe, "fora:2", memory="1GB")
        kept.append(weakref.ref(handle_of(pipe)._state))
    assert [state() is not None for state in kept] == [False] * 4 + [True] * 2


def test_a_handle_keeps_its_pipeline_and_is_found_again():
    handle = apply(TINY.build(), "fora:2")
    gc.collect()
    assert handle_of(handle.pipe) is handle
    TINY.call(handle.pipe, steps=2)
    assert handle.stats.executed_fraction < 1
    pipe = handle.pipe
    del handle
    again = handle_of(pipe)
    assert again.stats.executed_fraction < 1
    again.remove()
    assert handle_of(pipe) is None
    assert type(pipe) is PixArtAlphaPipeline


@pytest.fixture(scope="module")
def pipe() -> Any:
    return TINY.build()


def test_a_block_ends_with_what_was_applied_before_it(pipe):
    with apply(pipe, "fora:2") as outer:
        with apply(pipe, "steps:0,2") as inner:
            with apply(pipe, "none"):
                TINY.call(pipe)
                assert not inner.active
            assert inner.active
        assert (inner.active, outer.active) == (False, True)
        TINY.call(pipe)
        assert str(outer.program) == "fora:2"
        assert outer.stats.executed_fraction < 1
    assert not outer.active
    assert type(pipe) is PixArtAlphaPipeline


def test_a_block_within_something_applied_without_one(pipe):
    plain = apply(pipe, "fora:2")
    with apply(pipe, "none"):
        assert not plain.active
    assert plain.active
    plain.remove()
    assert type(pipe) is PixArtAlphaPipeline


def test_what_was_removed_meanwhile_does_not_come_back(pipe):
    with apply(pipe, "fora:2") as outer:
        with apply(pipe, "steps:0,2") as inner:
            outer.remove()
            assert inner.active
        assert type(pipe) is PixArtAlphaPipeline
    with apply(pipe, "fora:2"):
        with apply(pipe, "steps:0,2") as inner:
            inner.remove()
            assert type(pipe) is PixArtAlphaPipeline
            last = apply(pipe, "none")
        assert last.active  # nobody else may end it
    assert last.active
    last.remove()


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("end", ["remove", "replace"])
def test_a_pipeline_is_given_back_in_the_middle_of_a_generation_that_parks_features(pipe, at, end):
    with apply(pipe, "fora:2") as handle:
        whole = TINY.call(pipe)
        features = {branch.denoiser: dict(branch.sizes) for branch in handle._latest.record.branches}
    handle = apply(pipe, "fora:2", memory=MemoryPlan(None, {}, capacity=0, ahead=1, features=features))
    tiers = []

    def callback(step: int, *_: Any) -> None:
        if step == at:
            tiers.append(handle._state.tiers.tier)
            handle.remove() if end == "remove" else apply(pipe, "none").remove()
            assert type(pipe) is PixArtAlphaPipeline

    assert (TINY.call(pipe, callback=callback, callback_steps=1) == whole).all()
    assert handle.stats.moved_bytes > 0
    assert not handle.active
    assert handle._state.tiers.tier is None
    assert tiers[0]._file.closed
