"""A dry run sees what a run does, component by component, and leaves no trace."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_iter

from evocache import apply, discover, plan_memory
from evocache.errors import PipelineError
from evocache.policies import parse
from evocache.runtime.call_key import call_key
from evocache.runtime.estimate.dry_run import dry_run
from tests.tiny import FAMILIES, FAMILY_OF
from tests.tiny.arguments import arguments
from tests.tiny.video_unet import build_svd


def shapes(value: Any) -> list[tuple[int, ...]]:
    return [tuple(t.shape) for t in tree_iter(value) if isinstance(t, torch.Tensor)]


def seen_by_hooks(one: Any) -> list[tuple[str, str, list[tuple[int, ...]]]]:
    """Calls of components in a real run, until pictures are decoded: name, method, shapes of arguments."""
    calls: list[Any] = []
    undo: list[Any] = []
    inside: list[str] = []

    def wrapped(name: str, module: Any, method: str) -> None:
        original = getattr(module, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append((name, method, shapes((args, kwargs))))
            inside.append(name)
            try:
                return original(*args, **kwargs)
            finally:
                inside.pop()

        module.__dict__[method] = call
        undo.append(lambda: module.__dict__.pop(method))

    for name, module in one.pipe.components.items():
        if not isinstance(module, nn.Module):
            continue
        if hasattr(module, "decode"):
            for method in ("encode", "decode"):
                if hasattr(module, method):
                    wrapped(name, module, method)
        hook = module.register_forward_pre_hook(
            lambda m, args, kwargs, name=name: (
                None if inside else calls.append((name, "__call__", shapes((args, kwargs))))
            ),
            with_kwargs=True,
        )
        undo.append(hook.remove)
    try:
        one.call()
    finally:
        for action in undo:
            action()
    return calls


def given(one: Any) -> dict[str, Any]:
    """What the family's call gives to its pipeline."""
    return arguments(one.tiny, one.pipe)


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_it_sees_what_a_run_does(family, name):
    one = family(name)
    real = seen_by_hooks(one)
    run = dry_run(one.pipe, one.model, (), given(one))
    dry = [(a.name, a.method, shapes((a.args, a.kwargs))) for stage in run.acts.values() for a in stage]
    assert dry == real[: len(dry)]
    assert {name for name, *_ in real[len(dry) :]} <= {"safety_checker", "image_encoder"}
    denoised = [a for a in run.acts["denoise"] if a.tick is not None]
    assert {a.name for a in denoised} == set(one.tiny.denoisers)
    assert all(a.peak >= a.held + sum(np.prod(s) for s in shapes(a.kwargs)) for a in denoised)


@pytest.mark.parametrize("name", ["sd15", "flux", "svd", "wan", "kandinsky22"])
def test_it_leaves_no_trace(family, name):
    if name not in FAMILIES:
        pytest.skip(f"no family {name}")
    one = family(name)
    state = [torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()]
    before = {key: id(value) for key, value in one.pipe.__dict__.items()}
    kwargs = given(one)
    seed = kwargs["generator"].get_state()
    dry_run(one.pipe, one.model, (), kwargs)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert (np.random.get_state()[1] == state[1]).all()
    assert random.getstate() == state[2]
    assert torch.equal(kwargs["generator"].get_state(), seed)
    assert one.pipe.__dict__.keys() == before.keys()
    assert np.array_equal(one.call(), one.reference)


def test_a_call_that_the_pipeline_refuses_is_told(family):
    one = family("sd15")
    with pytest.raises(PipelineError, match="height"):
        dry_run(one.pipe, one.model, (), {**given(one), "height": 33})
    assert np.array_equal(one.call(), one.reference)


def test_seeds_and_contents_do_not_change_what_is_held():
    generator = torch.Generator()
    assert call_key((), {"prompt": "a", "generator": generator}) == call_key((), {"prompt": "a"})
    assert call_key((), {"prompt": "a"}) != call_key((), {"prompt": "a b"})  # more tokens
    assert call_key((), {"scale": 1}) != call_key((), {"scale": True})
    guider = object()
    assert call_key((), {"guider": guider}) != call_key((), {"guider": guider})  # it may have been set otherwise
    assert call_key((), {"prompt": ["a"]}) != call_key((), {"prompt": ["a", "b"]})
    assert call_key((), {"height": 64}) != call_key((), {"height": 32})
    assert call_key((), {"latents": torch.ones(2)}) == call_key((), {"latents": torch.zeros(2)})
    assert call_key((), {"latents": torch.ones(2)}) != call_key((), {"latents": torch.ones(3)})


def test_weights_that_are_converted_between_calls_are_seen_as_they_are_then(family):
    """SVD encodes its picture in float32 and decodes in float16: no stage is left out, and none counts them twice."""
    pipe = build_svd()
    for module in (pipe.unet, pipe.vae, pipe.image_encoder):
        module.half()
    assert pipe.vae.config.force_upcast
    seen = dry_run(pipe, discover(pipe), (), {**given(family("svd")), "output_type": "pt"})
    size = sum(p.numel() for p in pipe.vae.parameters())
    encode = next(act for act in seen.acts["encode"] if act.name == "vae")
    assert encode.args[0].dtype == torch.float32
    assert encode.held >= 2 * size  # float32 in place of float16
    assert [act.method for act in seen.acts["decode"]] == ["decode"] * 3
    assert all(act.held < 2 * size for stage in ("denoise", "decode") for act in seen.acts[stage])


def test_an_accelerated_pipeline_is_planned_as_it_is_without(family):
    """What is applied meanwhile has no part in it, whether it is planned itself or not."""
    one = family("pixart")
    call = {"prompt": "a red fox", "height": 64, "width": 64, "use_resolution_binning": False, "num_inference_steps": 2}
    expected = plan_memory(one.pipe, call, "fora:2", "1GB").plan
    for memory in (None, "1GB"):
        with apply(one.pipe, "fora:3", memory=memory) as handle:
            for _ in range(2):
                assert plan_memory(one.pipe, call, "fora:2", "1GB").plan == expected
                one.call()
            assert handle.stats.schedule == parse("fora:3").schedule(one.model.tree, 4)
    assert np.array_equal(one.call(), one.reference)
