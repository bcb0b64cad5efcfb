"""Schedulers are heard without being changed: signatures, patched instances, removal."""

from __future__ import annotations

import functools
import inspect

import numpy as np
import pytest

from evocache import apply
from evocache.policies import parse
from tests.tiny import FAMILIES, FAMILY_OF


@pytest.mark.parametrize("name", ["pixart", "flux", "sdxl", "wan"])
def test_signatures_are_kept_while_listening(family, name):
    pipe = family(name).pipe
    methods = ("set_timesteps", "step", "scale_model_input")
    plain = {m: inspect.signature(getattr(pipe.scheduler, m)) for m in methods if hasattr(pipe.scheduler, m)}
    with apply(pipe, "fora:2") as handle, handle.generation():
        listening = {m: inspect.signature(getattr(pipe.scheduler, m)) for m in methods if hasattr(pipe.scheduler, m)}
        assert type(pipe.scheduler).set_timesteps is type(pipe.scheduler).__mro__[1].set_timesteps
    assert listening == plain


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


def test_deleting_what_is_not_there_is_an_attribute_error(family):
    one = family("pixart")
    with apply(one.pipe, "fora:2") as handle, handle.generation(), pytest.raises(AttributeError, match="step"):
        del one.pipe.scheduler.step


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_no_scheduler_keeps_its_listener(family, name):
    pipe = family(name).pipe
    schedulers = [part for key, part in pipe.components.items() if "scheduler" in key]
    classes = [type(s) for s in schedulers]
    with apply(pipe, "none") as handle:
        with handle.generation():
            assert [type(s).__mro__[1] for s in schedulers] == classes
        assert [type(s) for s in schedulers] == classes
    assert schedulers
