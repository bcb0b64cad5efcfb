"""Schedulers and autoencoders are heard without being changed: classes, signatures, copies, removal."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import weakref

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.policies import parse
from tests.tiny import FAMILIES, FAMILY_OF

METHODS = ("set_timesteps", "step", "scale_model_input")


@pytest.mark.parametrize("name", ["pixart", "flux", "sdxl", "wan"])
def test_methods_are_those_of_the_class_to_whoever_looks(family, name):
    pipe = family(name).pipe
    found = [m for m in METHODS if hasattr(pipe.scheduler, m)]
    plain = {m: inspect.signature(getattr(pipe.scheduler, m)) for m in found}
    with apply(pipe, "fora:2") as handle, handle.generation():
        heard = {m: inspect.signature(getattr(pipe.scheduler, m)) for m in found}
        for method in found:
            shadow = getattr(pipe.scheduler, method)
            assert (shadow.__name__, shadow.__doc__) == (method, getattr(type(pipe.scheduler), method).__doc__)
            assert shadow.__self__ is pipe.scheduler
    assert heard == plain


@pytest.mark.parametrize("when", ["before", "inside"])
def test_methods_that_others_wrapped_on_the_scheduler_are_heard(family, when):
    one = family("pixart")
    scheduler = one.pipe.scheduler
    steps = []

    def wrap():
        for name in ("step", "set_timesteps"):
            original = getattr(scheduler, name)

            @functools.wraps(original)
            def wrapped(*args, _original=original, _name=name, **kwargs):
                steps.append(_name)
                return _original(*args, **kwargs)

            setattr(scheduler, name, wrapped)

    with apply(one.pipe, "fora:2") as handle:
        expected = one.call()
        if when == "before":
            wrap()
            output = one.call()
        else:
            with handle.generation():
                wrap()
                one.tiny.call(one.pipe)  # a generation of its own within
            output = one.call()
    assert scheduler.__dict__.keys() >= {"step", "set_timesteps"}
    del scheduler.step, scheduler.set_timesteps
    assert "step" not in scheduler.__dict__
    assert np.array_equal(output, expected)
    assert handle.stats.executed == one.expected(parse("fora:2").schedule)
    assert steps.count("step") == (4 if when == "before" else 8)


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_schedulers_and_autoencoders_keep_their_class(family, name):
    pipe = family(name).pipe
    parts = {key: part for key, part in pipe.components.items() if hasattr(part, "step") or hasattr(part, "decode")}
    parts = {key: part for key, part in parts.items() if hasattr(part, "config") and "token" not in key}
    classes, own = [type(p) for p in parts.values()], [dict(p.__dict__) for p in parts.values()]
    with apply(pipe, "none") as handle:
        with handle.generation():
            assert [type(p) for p in parts.values()] == classes
            assert any(p.__dict__ != before for p, before in zip(parts.values(), own, strict=True))
        assert [p.__dict__ for p in parts.values()] == own
    assert len(parts) >= 2


@pytest.mark.parametrize("copied", [copy.copy, lambda thing: pickle.loads(pickle.dumps(thing))])
@pytest.mark.parametrize("part", ["scheduler", "vae"])
def test_shallow_copies_and_pickles_are_as_if_nobody_listened(family, part, copied):
    pipe = family("pixart").pipe
    thing = getattr(pipe, part)
    method = "step" if part == "scheduler" else "decode"
    with apply(pipe, "fora:2") as handle, handle.generation():
        made = copied(thing)
        assert type(made) is type(thing)
        assert made.__dict__.keys() == thing.__dict__.keys() - {"__getstate__", "__deepcopy__"} - {
            *METHODS,
            "encode",
            "decode",
        }
        assert getattr(made, method).__self__ is made
        assert isinstance(getattr(made, method), type(handle.remove))  # a plain bound method


def test_a_deep_copy_of_a_scheduler_is_heard_and_let_go(family):
    """Some pipelines go on with a copy, or have one for each frame."""
    one = family("pixart")
    with apply(one.pipe, "fora:2"):
        expected = one.call()
    made = []

    def swap(*_):
        one.pipe.scheduler = copy.deepcopy(one.pipe.scheduler)
        made.append(one.pipe.scheduler)

    original = one.pipe.scheduler
    with apply(one.pipe, "fora:2") as handle:
        output = one.call(callback=swap, callback_steps=1)
    one.pipe.scheduler = original
    assert np.array_equal(output, expected)
    assert handle.stats.executed == one.expected(parse("fora:2").schedule)
    assert len({id(scheduler) for scheduler in made}) == 4
    for scheduler in made:
        assert type(scheduler) is type(original)
        assert scheduler.__dict__.keys() <= original.__dict__.keys() | {"_begin_index", "_step_index"}
        assert not {"step", "set_timesteps", "__getstate__", "__deepcopy__"} & scheduler.__dict__.keys()


def test_a_copy_of_the_state_may_be_put_back(family):
    """Panoramas keep the scheduler's `__dict__` for each view, and restore it before the view's next step."""
    one = family("pixart")
    with apply(one.pipe, "fora:2"):
        expected = one.call()
    scheduler = one.pipe.scheduler
    kept = []

    def restore(*_):
        kept.append(copy.deepcopy(scheduler.__dict__))
        scheduler.__dict__.update(copy.deepcopy(kept[-1]))

    with apply(one.pipe, "fora:2") as handle:
        assert np.array_equal(one.call(callback=restore, callback_steps=1), expected)
        assert handle.stats.executed == one.expected(parse("fora:2").schedule)
    assert len(kept) == 4
    assert not {"step", "__getstate__", "__deepcopy__"} & scheduler.__dict__.keys()
    before = torch.get_rng_state()
    kept[0]["step"].__reduce__()  # what a stale state holds goes on working, and tells nobody
    scheduler.__dict__.update(kept[0])
    assert np.array_equal(one.call(), one.reference)
    torch.set_rng_state(before)
    for name in ("__getstate__", "__deepcopy__", *METHODS, "step_pred"):
        scheduler.__dict__.pop(name, None)


def test_nothing_keeps_a_copy_alive(family):
    pipe = family("pixart").pipe
    gc.collect()
    gc.disable()
    try:
        with apply(pipe, "fora:2") as handle, handle.generation():
            copies = [copy.deepcopy(pipe.scheduler), copy.copy(pipe.scheduler), copy.deepcopy(pipe.vae)]
            refs = [weakref.ref(thing) for thing in copies]
        del copies
        assert [ref() for ref in refs[1:2]] == [None]
    finally:
        gc.enable()
    gc.collect()
    assert [ref() for ref in refs] == [None] * 3


def test_a_second_scheduler_stepped_inside_a_step_does_not_advance_it(family):
    """Some pipelines step a copy for sound, each before a denoiser call of its own."""
    one = family("pixart")
    scheduler = one.pipe.scheduler
    shape = (1, one.pipe.transformer.config.in_channels, 8, 8)
    prompt = torch.randn(1, 8, one.pipe.transformer.config.caption_channels)
    extra = {"resolution": None, "aspect_ratio": None}

    def step(solver, t, latents):
        with torch.no_grad():
            noise = one.pipe.transformer(
                latents, encoder_hidden_states=prompt, timestep=t.expand(1), added_cond_kwargs=extra, return_dict=False
            )[0]
        return solver.step(noise.chunk(2, dim=1)[0], t, latents, return_dict=False)[0]

    def loop():
        scheduler.set_timesteps(4)
        sound = copy.deepcopy(scheduler)
        sound.set_timesteps(4)
        video, audio = torch.zeros(shape), torch.ones(shape)
        for t in scheduler.timesteps:
            video, audio = step(scheduler, t, video), step(sound, t, audio)
        return video, audio

    with apply(one.pipe, "fora:2") as handle, handle.generation():
        loop()
        executed = handle.stats.executed
    id = one.model.tree.of_kind("feed_forward")[0].id
    assert executed[id] == 4  # two branches at each second step
