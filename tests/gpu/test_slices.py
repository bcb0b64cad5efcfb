"""Slices give what the whole gives, and decoding in slices, groups and films what decoding gives."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from evocache import apply
from evocache.memory.planner.footprint import Cut
from evocache.memory.planner.planner import MemoryPlan
from evocache.memory.rehearsal.rehearsal import shadow
from evocache.memory.slicing.exact_slicings import slicings
from evocache.model.outputs import unpack
from evocache.model.probe import capture_calls
from evocache.runtime.survey.call_survey import survey, survey_method
from evocache.video.decode.frame_group_trial import find_frame_groups
from evocache.video.decode.frame_groups import run_cut
from tests.gpu.rig import LARGE
from tests.memory.parts import randomised
from tests.tiny.autoencoders import AUTOENCODERS

TOLERANCES = {torch.float32: 2e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest difference from the whole, as a share of its largest value: kernels may sum in another order.

Differences of one rounding grow over the steps, so that half precision shows whether slices are mixed up, no more.
"""

HALVES = [torch.float16, torch.bfloat16]


def finest(one):
    """Cuts of the denoisers, as fine as the survey finds them worth."""
    calls = capture_calls(one.pipe, one.model, one.given)
    return {d.name: survey(d, *calls[d.name]).cuts(0) for d in one.model.denoisers}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, torch.float32) for name in ("sd15", "cogvideox", "flux", *LARGE)]
    + [("large wan", dtype) for dtype in HALVES],
    ids=str,
)
def test_slices_give_what_the_whole_gives(made, note, name, dtype):
    if dtype is torch.float16 and not torch.cuda.is_available():
        pytest.skip("half precision is slow on a CPU")
    one = made(name, dtype)
    cuts = finest(one)
    assert any(cuts.values()), "nothing of it is worth slicing"
    for spec in ("none", "fora:2"):
        with apply(one.pipe, spec):
            whole = one.call()
        with apply(one.pipe, spec, memory=MemoryPlan(None, {}, cuts=cuts)):
            sliced = one.call()
        note(f"{spec}: {one.off(sliced, whole):.1e}")
        assert one.off(sliced, whole) <= TOLERANCES[dtype]
    assert np.array_equal(one.call(), one.reference)


VAES = ["AutoencoderKL", "AutoencoderKLTemporalDecoder", "AutoencoderKLCogVideoX", "AutoencoderKLWan"]
VAES += ["AutoencoderKLHunyuanVideo", "AutoencoderKLLTXVideo", "AutoencoderKLMochi", "AutoencoderDC"]


def sample(output):
    return next(x for x in unpack(output)[0] if isinstance(x, torch.Tensor))


@cache
def ways_of(name):
    """How an autoencoder's `decode` is cut, by axis, and how in groups; tried in float32, whatever it runs in."""
    module, args, kwargs = AUTOENCODERS[name]()
    randomised(module)
    ways = {way.axis: way for way in slicings(module, args, kwargs, "decode")}
    return ways, find_frame_groups(module, args, kwargs, "decode")


def decoder(name, device, dtype):
    """An autoencoder on the device, what it is called with, its whole output, and how it may be cut."""
    module, args, kwargs = AUTOENCODERS[name]()
    randomised(module)
    module, args = module.to(device, dtype), tuple(arg.to(device, dtype) for arg in args)
    with torch.no_grad():
        whole = sample(module.decode(*args, **kwargs))
    return module, args, kwargs, whole, *ways_of(name)


def share(found, whole):
    """The largest difference, as a share of the largest value."""
    assert found.device == whole.device
    return float((found - whole).abs().max() / whole.abs().max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", VAES)
def test_decoding_in_slices(device, note, name, dtype):
    module, args, kwargs, whole, ways, groups = decoder(name, device, dtype)
    last = args[0].ndim - 1
    tolerance = 1e-5 if dtype is torch.float32 else 1e-1
    assert {last - 1, last} <= ways.keys()
    with torch.no_grad():
        for axis, slices in ((last - 1, 3), (last, 2)):
            found = sample(run_cut(module, "decode", Cut(ways[axis], slices), args, kwargs))
            note(f"axis {axis}: {share(found, whole):.1e}")
            assert share(found, whole) <= tolerance
        if groups is not None:
            taken: list[torch.Tensor] = []
            run_cut(module, "decode", Cut(groups, 1), args, kwargs, take=lambda group: taken.append(sample(group)))
            assert torch.equal(torch.cat(taken, 2), whole)
            both = replace(ways[last - 1], groups=groups.groups)
            found = sample(run_cut(module, "decode", Cut(both, 2), args, kwargs))
            assert share(found, whole) <= tolerance


@pytest.mark.parametrize("name", ["AutoencoderKLHunyuanVideo", "AutoencoderKLLTXVideo", "AutoencoderKLMochi"])
def test_every_way_that_the_survey_finds(device, note, name):
    """Relays and windows among them, with any axis and number of slices."""
    module, args, kwargs, whole, *_ = decoder(name, device, torch.float32)
    with torch.no_grad():
        ways = [c for c in survey_method(shadow(module), "decode", shadow(args), kwargs) if c.cuts]
        assert ways
        for choice in ways:
            found = sample(run_cut(module, "decode", choice.cuts[""], args, kwargs))
            assert share(found, whole) <= 1e-5


@pytest.mark.parametrize("name", ["animatediff", "svd", "cogvideox", "wan", "ltx"])
def test_films_hold_the_frames_of_the_pipeline(made, tmp_path, name):
    one = made(name)
    with apply(one.pipe, "fora:2") as handle:
        whole = one.call()
        count = handle.film(tmp_path / "film", **one.given)
        assert handle.stats.cached_bytes == 0
    shown = np.stack([np.asarray(Image.open(file)) for file in sorted((tmp_path / "film").iterdir())])
    assert count == len(shown)
    assert np.abs(shown - np.round(whole.reshape(shown.shape) * 255)).max() <= 1


def test_films_as_mp4(made, tmp_path):
    pytest.importorskip("av")
    one = made("wan")
    with apply(one.pipe, "fora:2") as handle:
        assert handle.film(tmp_path / "film.mp4", **one.given) == one.call().shape[1]
