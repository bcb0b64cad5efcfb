"""LoRA, attached and fused, before `apply` and after it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.policies import parse
from tests.tiny import FAMILIES

peft = pytest.importorskip("peft")

CASES = [("flux", "fora:2"), ("flux", "steps:0,2"), ("sd15", "fora:2"), ("sd15", "deepcache:2")]


def adapted(pipe, name):
    """Give the denoiser a LoRA on its attention, drawn at random."""
    denoiser = getattr(pipe, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        denoiser.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False), "drawn")


@pytest.mark.parametrize(("name", "spec"), CASES)
def test_lora_before_and_after(family, name, spec):
    one = family(name)
    pipe, (denoiser,) = FAMILIES[name].build(), one.tiny.denoisers
    with apply(pipe, spec) as handle:
        bare = one.tiny.call(pipe)
        adapted(pipe, denoiser)
        after = one.tiny.call(pipe)  # an adapter that came later is followed
        assert handle.stats.executed == one.expected(parse(spec).schedule)
    with apply(pipe, spec) as handle:
        assert np.array_equal(one.tiny.call(pipe), after)
        assert handle.stats.executed == one.expected(parse(spec).schedule)
        getattr(pipe, denoiser).disable_adapters()
        assert np.array_equal(one.tiny.call(pipe), bare)
    assert np.abs(after - bare).max() > 1e-6


@pytest.mark.parametrize(("name", "spec"), CASES)
def test_fused_lora(family, name, spec):
    one = family(name)
    pipe, (denoiser,) = FAMILIES[name].build(), one.tiny.denoisers
    adapted(pipe, denoiser)
    with apply(pipe, spec) as handle:
        attached = one.tiny.call(pipe)
        getattr(pipe, denoiser).fuse_lora()
        fused = one.tiny.call(pipe)
        assert handle.stats.executed == one.expected(parse(spec).schedule)
        getattr(pipe, denoiser).unfuse_lora()
        assert np.abs(one.tiny.call(pipe) - attached).max() < 1e-4
    assert np.abs(fused - attached).max() < 1e-4
