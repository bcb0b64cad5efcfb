"""Switches of the host's models: how weights are stored, how attention is computed, how pictures are decoded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.models.attention_dispatch import _AttentionBackendRegistry

from evocache import apply
from evocache.policies import parse
from tests.tiny import FAMILIES

CASES = [("flux", "fora:2"), ("flux", "steps:0,2"), ("sd15", "fora:2"), ("sd15", "deepcache:2")]


def same_before_and_after(one, pipe, spec, switch):
    """The output is the same whether the switch is thrown before `apply` or after it; returned with the one before."""
    with apply(pipe, spec) as handle:
        plain = one.tiny.call(pipe)
        switch()
        output = one.tiny.call(pipe)
        assert handle.stats.executed == one.expected(parse(spec).schedule)
    with apply(pipe, spec) as handle:
        assert np.array_equal(one.tiny.call(pipe), output)
        assert handle.stats.executed == one.expected(parse(spec).schedule)
        assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes
    return output, plain


@pytest.mark.parametrize(("name", "spec"), CASES)
def test_layerwise_casting(family, name, spec):
    """Weights are held as float8 and cast where they are used: only for what computes."""
    one, pipe = family(name), FAMILIES[name].build()
    denoiser = getattr(pipe, one.tiny.denoisers[0])
    output, plain = same_before_and_after(
        one,
        pipe,
        spec,
        lambda: denoiser.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32),
    )
    assert any(p.dtype == torch.float8_e4m3fn for p in denoiser.parameters())
    assert np.isfinite(output).all()
    assert not np.array_equal(output, plain)


@pytest.fixture
def _backend():
    """What a model's backend is set to becomes that of all models: set it back."""
    backend, _ = _AttentionBackendRegistry.get_active_backend()
    yield
    _AttentionBackendRegistry.set_active_backend(backend)


@pytest.mark.usefixtures("_backend")
@pytest.mark.parametrize(("name", "spec"), CASES)
def test_attention_backends(family, name, spec):
    one, pipe = family(name), FAMILIES[name].build()
    denoiser = getattr(pipe, one.tiny.denoisers[0])
    if name == "flux":
        output, plain = same_before_and_after(one, pipe, spec, lambda: denoiser.set_attention_backend("_native_math"))
    else:  # a U-Net has processors of its own
        output, plain = same_before_and_after(one, pipe, spec, denoiser.set_default_attn_processor)
    assert np.abs(output - plain).max() < 1e-5


@pytest.mark.parametrize(("name", "spec"), CASES)
def test_fused_projections(family, name, spec):
    one, pipe = family(name), FAMILIES[name].build()
    denoiser = getattr(pipe, one.tiny.denoisers[0])
    output, plain = same_before_and_after(one, pipe, spec, denoiser.fuse_qkv_projections)
    assert np.abs(output - plain).max() < 1e-5


@pytest.mark.parametrize("switch", ["slicing", "tiling"])
@pytest.mark.parametrize(("name", "spec"), CASES)
def test_decoding_in_slices_and_tiles(family, name, spec, switch):
    """What is cached changes the latents alone, and nothing is held while they are decoded."""
    one = family(name)
    vae = one.pipe.vae
    with apply(one.pipe, spec) as handle:
        latents = one.call(num_images_per_prompt=2, output_type="latent")
        getattr(vae, f"enable_{switch}")()
        try:
            output = one.call(num_images_per_prompt=2)
            assert np.array_equal(one.call(num_images_per_prompt=2, output_type="latent"), latents)
            assert handle.stats.cached_bytes == 0
        finally:
            getattr(vae, f"disable_{switch}")()
        assert np.abs(output - one.call(num_images_per_prompt=2)).max() < 1e-5  # too small a picture for tiles
    assert np.array_equal(one.call(), one.reference)
