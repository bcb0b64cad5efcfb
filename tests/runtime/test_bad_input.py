"""Whatever is given wrongly: an error of a kind that says given, expected and mend, and an untouched pipeline."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from evocache import Error, Schedule, apply, discover
from evocache.errors import (
    CodecError,
    EvocacheWarning,
    MismatchError,
    PipelineError,
    PolicyError,
    RunError,
)
from evocache.policies import parse

WHAT = [
    ("pixart", "warp:2", PolicyError, "deepcache"),
    ("pixart", "", PolicyError, "fora"),
    ("pixart", "fora", PolicyError, "fora:N"),
    ("pixart", "fora:", PolicyError, "fora:N"),
    ("pixart", "fora:x", PolicyError, "fora:N"),
    ("pixart", "fora:2,3", PolicyError, "fora:N"),
    ("pixart", "fora:0", PolicyError, "from 1"),
    ("pixart", "fora:-2", PolicyError, "from 1"),
    ("pixart", "fora:2.5", PolicyError, "whole numbers"),
    ("pixart", "none:1", PolicyError, "none"),
    ("pixart", "steps", PolicyError, "steps:0,1,4,8"),
    ("pixart", "steps:1,2", PolicyError, "step 0"),
    ("pixart", "steps:0,2,1", PolicyError, "increasing"),
    ("pixart", "steps:0,2,2", PolicyError, "increasing"),
    ("pixart", "steps:0,-1", PolicyError, "from 0"),
    ("pixart", "deepcache:2", PolicyError, "U-Net"),
    ("sd15", "deepcache:2,8", PolicyError, "0..7"),
    ("sd15", "deepcache:2,-1", PolicyError, "from 0"),
    ("sd15", "deepcache:2,1,1", PolicyError, "deepcache:N"),
    ("flux", "tgate:2", PolicyError, "joint attention"),
    ("sd3", "tgate:2", PolicyError, "joint attention"),
    ("pixart", "tgate:0", PolicyError, "from 1"),
    ("pixart", "steps:0,19999999", PolicyError, "0..9999"),
    ("pixart", "steps:0,1," + "9" * 4000, PolicyError, "0..9999"),
    ("pixart", "fora:" + "9" * 4000, PolicyError, "to 10000"),
    ("pixart", "fora:" + "9" * 5000, PolicyError, "whole numbers"),
    ("pixart", "fora:100000", PolicyError, "to 10000"),
    ("pixart", "pab:2,4,nan", PolicyError, "0..1"),
    ("pixart", "teacache:inf", PolicyError, "from 0"),
    ("pixart", "/no/such/schedule.json", PolicyError, "file"),
    ("pixart", "/tmp", RunError, "front"),
    ("pixart", "fora" * 2000, PolicyError, "file"),
    ("pixart", "fora\0:2", PolicyError, "file"),
    ("pixart", 3, PolicyError, "fora:3"),
    ("pixart", ["fora:3"], PolicyError, "fora:3"),
    ("pixart", {"steps": 3}, PolicyError, "fora:3"),
    ("pixart", torch.zeros(2), PolicyError, "fora:3"),
]


def says(error: Error, hint: str) -> None:
    """All three parts are there, and the hint is in one of them."""
    assert error.given
    assert error.expected
    assert error.mend
    assert len(str(error)) < 3000
    assert str(error) == f"{error.given}; why: expected {error.expected}; try: {error.mend}"
    assert hint in str(error)


@pytest.mark.parametrize(("name", "what", "kind", "hint"), WHAT, ids=[f"{n}-{str(w)[:20]}" for n, w, *_ in WHAT])
def test_what_cannot_be_applied(family, name, what, kind, hint):
    one = family(name)
    before = type(one.pipe), dict(vars(one.pipe))
    with pytest.raises(kind) as caught:
        apply(one.pipe, what)
    says(caught.value, hint)
    assert (type(one.pipe), dict(vars(one.pipe))) == before


@pytest.mark.parametrize("name", ["pixart", "flux", "sd15"])
def test_the_pipeline_works_on_after_a_refusal(family, name):
    one = family(name)
    for what in ("warp:2", "steps:1", 3, "fora:0"):
        with pytest.raises(PolicyError):
            apply(one.pipe, what)
    assert np.array_equal(one.call(), one.reference)


@pytest.mark.parametrize("pipe", ["pixart", None, 3, [], torch.nn.Linear(2, 2), SimpleNamespace(components={})])
@pytest.mark.parametrize("verb", [discover, lambda pipe: apply(pipe, "fora:2")], ids=["discover", "apply"])
def test_what_is_no_pipeline(verb, pipe):
    if verb is discover and isinstance(pipe, torch.nn.Module):
        pytest.skip("any module may be looked at")
    with pytest.raises(PipelineError) as caught:
        verb(pipe)
    says(caught.value, "pipeline")


def test_a_pipeline_without_a_denoiser(family):
    class Decoding:
        """Like a pipeline, but it only decodes."""

        components: ClassVar = {"vae": AutoencoderKL(block_out_channels=(8,), norm_num_groups=4)}

        def __call__(self):
            return None

    pipe = Decoding()
    for verb in (discover, lambda pipe: apply(pipe, "fora:2")):
        with pytest.raises(PipelineError) as caught:
            verb(pipe)
        says(caught.value, "denoiser")
    assert type(pipe) is Decoding


@pytest.mark.parametrize(("of", "to"), [("sd15", "pixart"), ("pixart", "flux"), ("sdxl", "sd15"), ("wan", "wan22")])
def test_a_schedule_of_another_model(family, of, to):
    schedule = parse("fora:2").schedule(family(of).model.tree, 4)
    with pytest.raises(MismatchError) as caught:
        apply(family(to).pipe, schedule)
    says(caught.value, type(getattr(family(to).pipe, family(to).tiny.denoisers[0])).__name__)
    assert np.array_equal(family(to).call(), family(to).reference)


def test_files_that_are_no_schedules(family, tmp_path):
    one = family("pixart")
    for text in ("", "{", "[]", '{"format": "evocache.schedule"}', '{"format": "evocache.schedule", "version": 99}'):
        (tmp_path / "schedule.json").write_text(text)
        with pytest.raises(CodecError) as caught:
            apply(one.pipe, str(tmp_path / "schedule.json"))
        assert caught.value.mend
    with pytest.raises(CodecError):
        apply(one.pipe, tmp_path / "missing.json")
    with pytest.raises(RunError):
        apply(one.pipe, tmp_path)
    assert np.array_equal(one.call(), one.reference)


def test_another_number_of_steps_is_resampled_with_a_warning_when_far(family):
    one = family("pixart")
    with apply(one.pipe, parse("fora:2").schedule(one.model.tree, 8)) as handle:
        with pytest.warns(EvocacheWarning, match="made for 8 steps and is resampled to 4"):
            one.call()
        assert handle.stats.schedule.steps == 4
        one.call(steps=7)  # near enough
        assert handle.stats.schedule.steps == 7


def test_a_mask_that_is_longer_than_the_generation(family):
    one = family("pixart")
    with apply(one.pipe, "steps:0,2,9") as handle:
        with pytest.raises(PolicyError) as caught:
            one.call()
        says(caught.value, "at least 10 steps")
        assert handle.active
        one.call(steps=10)
    assert np.array_equal(one.call(), one.reference)
    assert isinstance(handle.stats.schedule, Schedule)
