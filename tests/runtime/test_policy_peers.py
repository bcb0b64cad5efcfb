"""Methods known beforehand, as diffusers has them, with the same parameters: the same layers run, the same bits."""

from __future__ import annotations

import contextlib
import functools
import io
import re

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.policies import MagCache
from evocache.policies.base.policy import list_leaf_ids
from evocache.schedule import forecast, uniform
from evocache.search.calibrate.magnitude_ratios import measure_ratios
from tests.runtime.support import counted

hooks = pytest.importorskip("diffusers.hooks")

STEPS = 10


@contextlib.contextmanager
def enabled(denoiser, config):
    """A cache of diffusers, taken away at the end."""
    denoiser.enable_cache(config)
    try:
        yield
    finally:
        denoiser.disable_cache()


def test_pyramid_attention_broadcast(family):
    """A window of timesteps there is one of shares of steps here."""
    one = family("cogvideox")
    seen = []
    one.call(steps=STEPS, callback_on_step_end=lambda pipe, i, t, kwargs: seen.append(int(t)) or {})
    config = hooks.PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=3,
        spatial_attention_timestep_skip_range=(seen[8] - 1, seen[2] + 1),
        spatial_attention_block_identifiers=("transformer_blocks",),
        current_timestep_callback=lambda: one.pipe.current_timestep,
    )
    with enabled(one.pipe.transformer, config), counted(one) as theirs:
        expected = one.call(steps=STEPS)
    with apply(one.pipe, "pab:3,3,0.2,0.9"), counted(one) as ours:
        output = one.call(steps=STEPS)
    attention = [c.id for c in one.model.tree.of_kind("attention")]
    assert {ours[id] for id in attention} == {5}
    assert np.array_equal(output, expected)
    assert theirs.keys() >= ours.keys()  # their hooks pass layers by from inside


def test_pyramid_attention_broadcast_of_three_types(family):
    """Spatial, temporal and cross-attention have intervals of their own; the same layers run, the bits are the same.

    Their patterns are anchored, or what they find spatial would take in temporal blocks.
    """
    one = family("latte")
    seen = []
    one.call(steps=STEPS, callback_on_step_end=lambda pipe, i, t, kwargs: seen.append(int(t)) or {})
    window = (seen[8] - 1, seen[1] + 1)
    config = hooks.PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2,
        temporal_attention_block_skip_range=3,
        cross_attention_block_skip_range=5,
        spatial_attention_timestep_skip_range=window,
        temporal_attention_timestep_skip_range=window,
        cross_attention_timestep_skip_range=window,
        spatial_attention_block_identifiers=("^transformer_blocks",),
        temporal_attention_block_identifiers=("^temporal_transformer_blocks",),
        cross_attention_block_identifiers=("^transformer_blocks",),
        current_timestep_callback=lambda: one.pipe.current_timestep,
    )
    with enabled(one.pipe.transformer, config), projections(one) as theirs:
        expected = one.call(steps=STEPS)
    with apply(one.pipe, "pab:2,5,0.1,0.9,3"), projections(one) as ours:
        output = one.call(steps=STEPS)
    assert ours == theirs
    assert set(ours.values()) == {6, 4, 3}
    assert {ours[id] for id in ours if "/temporal" in id} == {4}
    assert np.array_equal(output, expected)


@contextlib.contextmanager
def projections(family):
    """Count how often the query projection of each attention layer ran, which no hook of diffusers passes by."""
    counts = {}
    handles = []
    for id, module in family.model.denoisers[0].modules.items():
        if family.model.tree.components[family.model.tree.index[id]].kind in ("attention", "cross_attention"):
            count = functools.partial(_ran, counts, id)
            handles.append(module.to_q.register_forward_hook(count))
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def _ran(counts, id, *_):
    counts[id] = counts.get(id, 0) + 1


@pytest.mark.parametrize(("interval", "order"), [(3, 1), (4, 2)])
@pytest.mark.parametrize(
    ("name", "layers"),
    [("cogvideox", r"transformer_blocks\.\d+\.(attn1|ff)"), ("wan", r"blocks\.\d+\.(attn1|attn2|ffn)")],
)
def test_taylorseer(family, name, layers, interval, order):
    """It counts intervals from one step later than the authors, so a schedule of its steps is compared."""
    one = family(name)
    config = hooks.TaylorSeerCacheConfig(
        cache_interval=interval,
        max_order=order,
        disable_cache_before_step=3,
        cache_identifiers=[layers],
        taylor_factors_dtype=torch.float32,
    )
    with enabled(one.pipe.transformer, config):
        expected = one.call(steps=STEPS)
    tree = one.model.tree
    leaves = list_leaf_ids(tree, "attention", "cross_attention", "feed_forward")
    computed = [step for step in range(STEPS) if step < 3 or (step - 4) % interval == 0]
    with apply(one.pipe, uniform(tree, STEPS, leaves, computed, forecast(order))):
        output = one.call(steps=STEPS)
    assert np.abs(output - expected).max() < 2e-5
    assert np.abs(output - one.call(steps=STEPS)).max() > 1e-3


@pytest.mark.parametrize("name", ["flux", "cogvideox", "mochi", "ltx"])
def test_magcache(family, name):
    one = family(name)
    printed = io.StringIO()
    config = hooks.MagCacheConfig(num_inference_steps=STEPS, calibrate=True)
    with enabled(one.pipe.transformer, config), contextlib.redirect_stdout(printed):
        reference = one.call(steps=STEPS)
    text = re.findall(r"^\[.*\d\]$", printed.getvalue(), flags=re.MULTILINE)[-1]
    theirs = [float(value) for value in text.strip("[]").split(",")]
    ours = measure_ratios(one.pipe, lambda: np.testing.assert_array_equal(one.call(steps=STEPS), reference))
    assert ours == pytest.approx(theirs, rel=1e-4)
    fewer = 0
    for threshold, most, retained in ((0.1, 2, 0.2), (0.5, 4, 0.1), (2.0, 3, 0.3)):
        config = hooks.MagCacheConfig(threshold, most, retained, STEPS, theirs)
        with enabled(one.pipe.transformer, config):
            expected = one.call(steps=STEPS)
        with apply(one.pipe, MagCache(threshold, most, retained, ratios=theirs)) as handle:
            output = one.call(steps=STEPS)
        assert np.abs(output - expected).max() <= 2e-6
        fewer += handle.stats.executed_fraction < 1
    assert fewer
