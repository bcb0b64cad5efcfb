"""Caches of diffusers that are enabled on the denoiser are refused, before `apply` and after it."""

from __future__ import annotations

import numpy as np
import pytest
from diffusers import hooks

from evocache import apply
from evocache.errors import PipelineError

CONFIGS = {
    "first block": hooks.FirstBlockCacheConfig(threshold=0.1),
    "pyramid": hooks.PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2, current_timestep_callback=lambda: 500
    ),
    "taylor": hooks.TaylorSeerCacheConfig(cache_interval=2),
}
MEND = r"call pipe\.transformer\.disable_cache\(\) first"


@pytest.fixture
def flux(family):
    one = family("flux")
    yield one
    if one.pipe.transformer.is_cache_enabled:
        one.pipe.transformer.disable_cache()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_an_enabled_cache_is_refused_with_the_mend(flux, config):
    flux.pipe.transformer.enable_cache(config)
    before = type(flux.pipe)
    with pytest.raises(PipelineError, match=type(config).__name__) as caught:
        apply(flux.pipe, "fora:2")
    assert caught.value.mend == "call pipe.transformer.disable_cache() first"
    assert type(flux.pipe) is before
    flux.pipe.transformer.disable_cache()
    with apply(flux.pipe, "fora:2"):
        assert np.isfinite(flux.call()).all()


@pytest.mark.parametrize("spec", ["fora:2", "steps:0,2"])
def test_one_that_is_enabled_later_is_refused_at_the_next_generation(flux, spec):
    with apply(flux.pipe, spec) as handle:
        expected = flux.call()
        flux.pipe.transformer.enable_cache(CONFIGS["first block"])
        with pytest.raises(PipelineError, match=MEND):
            flux.call()
        flux.pipe.transformer.disable_cache()
        assert np.array_equal(flux.call(), expected)
        assert handle.stats.cached_bytes == 0
    assert np.array_equal(flux.call(), flux.reference)


def test_one_that_was_applied_without_its_method_is_refused(family):
    """`apply_first_block_cache` tells the model nothing; its hooks tell."""
    one = family("pixart")
    hooks.apply_first_block_cache(one.pipe.transformer, CONFIGS["first block"])
    try:
        with pytest.raises(PipelineError, match="FBCHeadBlockHook") as caught:
            apply(one.pipe, "fora:2")
    finally:
        names = {name for block in one.pipe.transformer.transformer_blocks for name in block._diffusers_hook.hooks}
        registry = hooks.HookRegistry.check_if_exists_or_initialize(one.pipe.transformer)
        for name in names:
            registry.remove_hook(name, recurse=True)
    assert "check_if_exists_or_initialize(pipe.transformer)" in caught.value.mend
    assert {name for name in names if repr(name) not in caught.value.mend} == set()
    with apply(one.pipe, "fora:2"):
        assert np.isfinite(one.call()).all()
    assert np.array_equal(one.call(), one.reference)


def test_hooks_that_keep_nothing_are_not_refused(family):
    """As those of layerwise casting."""
    one = family("pixart")
    leaf = one.pipe.transformer.transformer_blocks[0].ff
    hooks.HookRegistry.check_if_exists_or_initialize(leaf).register_hook(hooks.ModelHook(), "plain")
    with apply(one.pipe, "fora:2") as handle:
        one.call()
    assert handle.stats.executed["transformer/transformer_blocks.0.ff"] == 2
    leaf._diffusers_hook.remove_hook("plain")
    del leaf._diffusers_hook
    assert np.array_equal(one.call(), one.reference)
