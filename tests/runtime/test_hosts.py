"""What hosts do to modules goes on working: hooks of accelerate, leaves that are called in chunks."""

from __future__ import annotations

import numpy as np
import pytest
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module

from evocache import apply
from evocache.schedule import uniform
from tests.runtime.support import counted, random_schedule


@pytest.mark.parametrize("spec", ["fora:2", "steps:0,2"])
def test_hooks_that_replace_forwards(family, spec):
    """As offloading does; a module that is skipped is not even moved."""
    one = family("pixart")
    moved = []

    class Hook(ModelHook):
        def pre_forward(self, module, *args, **kwargs):
            moved.append(module)
            return args, kwargs

    with apply(one.pipe, spec):
        expected = one.call()
    leaf = one.pipe.transformer.transformer_blocks[1].ff
    with apply(one.pipe, spec) as handle:
        add_hook_to_module(leaf, Hook())
        assert np.array_equal(one.call(), expected)
        remove_hook_from_module(leaf)
        assert np.array_equal(one.call(), expected)
    assert moved == [leaf] * 2
    assert handle.stats.executed["transformer/transformer_blocks.1.ff"] == 2
    assert np.array_equal(one.call(), one.reference)


def test_a_leaf_that_is_called_several_times_a_forward(family):
    one = family("pixart")
    block = one.pipe.transformer.transformer_blocks[1]
    leaf = "transformer/transformer_blocks.1.ff"
    reuse = uniform(one.model.tree, 4, [leaf], [0, 2])
    with apply(one.pipe, reuse) as handle:
        whole, peak = one.call(), handle.stats.peak_cached_bytes
    held = block._chunk_size, block._chunk_dim
    block.set_chunk_feed_forward(16, 1)  # 64 tokens in four calls
    try:
        chunked = one.call()
        with apply(one.pipe, reuse) as handle, counted(one) as ran:
            assert np.abs(one.call() - whole).max() < 1e-5
        assert handle.stats.peak_cached_bytes == peak
        assert ran[leaf] == 2
        for seed in range(3):
            schedule = random_schedule(one.model.tree, 4, seed)
            with apply(one.pipe, schedule) as handle:
                one.call()
            assert handle.stats.executed == schedule.counts()
            assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes
    finally:
        block._chunk_size, block._chunk_dim = held
    assert np.abs(chunked - one.reference).max() < 1e-5
    assert np.array_equal(one.call(), one.reference)
