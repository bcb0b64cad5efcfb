"""A leaf that is reused returns its last computed output; one that is forecast, the extrapolation."""

from __future__ import annotations

import numpy as np
import pytest

from evocache import Schedule, apply
from evocache.schedule import COMPUTE, REUSE, forecast, uniform
from tests.runtime.byhand import forecasting, reusing, stepping
from tests.runtime.support import counted
from tests.tiny import KIND_OF

STEPS = 6
LEAVES = {
    "pixart": [
        "transformer/transformer_blocks.1.attn1",
        "transformer/transformer_blocks.2.attn2",
        "transformer/transformer_blocks.3.ff",
    ],
    "flux": [  # the first returns a pair
        "transformer/transformer_blocks.1.attn",
        "transformer/transformer_blocks.0.ff_context",
        "transformer/single_transformer_blocks.2.proj_mlp",
        "transformer/single_transformer_blocks.0.attn",
    ],
    "sd15": [
        "unet/down_blocks.1.resnets.0",
        "unet/mid_block.attentions.0.transformer_blocks.0.attn2",
        "unet/up_blocks.3.resnets.1",
        "unet/up_blocks.2.attentions.1.transformer_blocks.0.ff",
    ],
    "cogvideox": ["transformer/transformer_blocks.1.attn1", "transformer/transformer_blocks.2.ff"],
}
LAST = [(name, leaves[-1]) for name, leaves in LEAVES.items()]
CASES = [(name, leaf) for name, leaves in LEAVES.items() for leaf in leaves]


def module_of(one, id):
    denoiser = one.model.denoisers[0]
    return denoiser.modules[id]


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize(("name", "leaf"), CASES)
def test_reuse_returns_the_last_computed_output(family, name, leaf):
    one = family(name)
    computed = {0, 1, 3}
    with stepping(one.model.denoisers[0].module) as steps, reusing(module_of(one, leaf), steps, computed):
        expected = one.call(steps=STEPS)
    with apply(one.pipe, uniform(one.model.tree, STEPS, [leaf], sorted(computed))) as handle:
        output = one.call(steps=STEPS)
    assert np.array_equal(output, expected)
    assert not np.array_equal(output, one.call(steps=STEPS))
    assert handle.stats.executed[leaf] == 3


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("gain", [1.0, 0.5, -0.25])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("name", "leaf"), LAST)
def test_forecasts_extrapolate(family, name, leaf, order, gain):
    one = family(name)
    computed = {0, 1, 3}
    module = module_of(one, leaf)
    with stepping(one.model.denoisers[0].module) as steps, forecasting(module, steps, computed, order, gain):
        expected = one.call(steps=STEPS)
    schedule = uniform(one.model.tree, STEPS, [leaf], sorted(computed), forecast(order, gain))
    with apply(one.pipe, schedule):
        output = one.call(steps=STEPS)
    with apply(one.pipe, uniform(one.model.tree, STEPS, [leaf], sorted(computed))):
        reused = one.call(steps=STEPS)
    change = np.abs(output - reused).max()
    assert np.abs(output - expected).max() < change / 10 > 1e-7


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_forecast_without_gain_is_reuse(family, order):
    one = family("pixart")
    tree = one.model.tree
    orders = np.full((STEPS, len(tree)), COMPUTE.order)
    columns = [i for i, c in enumerate(tree) if c.is_leaf]
    orders[np.ix_([1, 3, 4], columns)] = REUSE.order
    reuse = Schedule(tree, orders)
    orders[np.ix_([1, 3, 4], columns)] = order
    damped = Schedule(tree, orders, np.zeros(orders.shape))
    almost = Schedule(tree, orders, np.full(orders.shape, 1e-30))
    with apply(one.pipe, reuse):
        expected = one.call(steps=STEPS)
    with apply(one.pipe, damped):
        assert np.array_equal(one.call(steps=STEPS), expected)
    with apply(one.pipe, almost):
        assert np.abs(one.call(steps=STEPS) - expected).max() < 1e-6
    assert damped == reuse != almost


def test_nobody_computes_what_only_a_reused_leaf_would_read(family):
    one = family("flux")
    block = "transformer/single_transformer_blocks.1"
    with stepping(one.pipe.transformer) as steps, reusing(module_of(one, f"{block}.proj_out"), steps, {0, 2}):
        expected = one.call()
    with apply(one.pipe, uniform(one.model.tree, 4, [f"{block}.proj_out"], [0, 2])) as handle, counted(one) as ran:
        output = one.call()
    assert np.array_equal(output, expected)
    for leaf in ("attn", "proj_mlp", "proj_out"):
        assert ran[f"{block}.{leaf}"] == 2
    shapes = []
    hook = module_of(one, f"{block}.proj_out").register_forward_hook(lambda m, a, o: shapes.append(o.nbytes))
    one.call(steps=1)
    hook.remove()
    assert handle.stats.peak_cached_bytes == shapes[0]  # nothing is kept of attn and proj_mlp


@pytest.mark.parametrize("computed", [[0], [0, 2]])
def test_a_feature_that_the_host_changed_in_place_is_computed_again(family, computed):
    """So is what it alone reads; from then on copies are kept."""
    one = family("flux")
    blocks = one.pipe.transformer.single_transformer_blocks
    leaf = "transformer/single_transformer_blocks.0.proj_out"
    fresh = []

    def change(*_):
        while fresh:
            fresh.pop().mul_(1.0)

    hooks = [
        blocks[0].proj_out.register_forward_hook(lambda module, args, output: fresh.append(output)),
        blocks[1].register_forward_pre_hook(change),
    ]
    try:
        with apply(one.pipe, uniform(one.model.tree, 4, [leaf], computed)) as handle, counted(one) as ran:
            output = one.call()
    finally:
        for hook in hooks:
            hook.remove()
    with apply(one.pipe, uniform(one.model.tree, 4, [leaf], sorted({*computed, 1}))):
        assert np.array_equal(output, one.call())
    for part in ("attn", "proj_mlp", "proj_out"):
        id = leaf.replace("proj_out", part)
        assert handle.stats.executed[id] == ran[id] == len(computed) + 1
