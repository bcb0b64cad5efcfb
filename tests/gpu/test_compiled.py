"""Compiled pipelines on a GPU: inductor's kernels and CUDA graphs, whose outputs the next replay overwrites."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evocache import apply
from tests.composition import compiling
from tests.composition.compiling import dynamo
from tests.gpu.rig import device_of_tests
from tests.tiny import FAMILIES

TOLERANCE = 2e-3
"""Largest difference of compiled kernels from eager ones, over the steps of a generation."""

GRAPHS = {"mode": "reduce-overhead"}


@pytest.fixture(scope="module")
def backend():
    """Options that compile for the device; skipped where inductor has no compiler to call."""
    device = device_of_tests()
    if device.type == "cpu":
        return {"backend": "eager"}
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.ones(8, device=device))
    except Exception as error:
        pytest.skip(f"inductor does not work here: {type(error).__name__}: {str(error)[:200]}")
    return {}


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def pipeline(build):
    tiny = FAMILIES[{"sd": "sd15"}.get(build, build)]
    return getattr(compiling, build)().to(device_of_tests()), tiny


CASES = [
    # build, what is compiled, whether by CUDA graphs, specs
    ("flux", "blocks", False, ("fora:2", "taylorseer:2")),
    ("pixart", "whole", True, ("fora:2", "steps:0,2", "fbcache:0.2")),
    ("flux", "blocks", True, ("fora:2", "steps:0,2", "fbcache:0.2")),
    ("sd", "whole", True, ("deepcache:2",)),
]


@pytest.mark.parametrize(("build", "how", "replayed", "specs"), CASES)
def test_compiled_as_it_is(backend, note, build, how, replayed, specs):
    pipe, tiny = pipeline(build)
    expected = {}
    for spec in specs:
        with apply(pipe, spec) as handle:
            expected[spec] = tiny.call(pipe), handle.stats.executed, handle.stats.peak_cached_bytes
    options = {**backend, **(GRAPHS if replayed and not backend else {})}
    getattr(compiling, how)(pipe, tiny.denoisers[0], **options)
    for spec in specs:
        whole, executed, peak = expected[spec]
        with apply(pipe, spec) as handle:
            first = tiny.call(pipe)
            second = tiny.call(pipe)
            with dynamo() as counts:
                third = tiny.call(pipe)
            assert counts.graphs == 0
            assert handle.stats.executed == executed
            assert handle.stats.peak_cached_bytes == peak
            assert handle.stats.cached_bytes == 0
        off = max(float(np.abs(out - whole).max()) for out in (first, second, third))
        note(f"{spec}: {off:.1e}")
        assert off <= TOLERANCE
        assert np.array_equal(second, third)


def test_calls_of_guidance_one_after_the_other(backend):
    """The first call's output outlives the second, whose graph writes over what the first one's gave."""
    tiny = FAMILIES["wan"]
    pipe = tiny.build().to(device_of_tests())
    pipe.transformer.blocks = pipe.transformer.blocks[:2]
    with apply(pipe, "fora:2"):
        expected = tiny.call(pipe)
    compiling.whole(pipe, "transformer", **(backend or GRAPHS))
    with apply(pipe, "fora:2"):
        outs = [tiny.call(pipe) for _ in range(3)]
    for out in outs:
        assert float(np.abs(out - expected).max()) <= TOLERANCE
