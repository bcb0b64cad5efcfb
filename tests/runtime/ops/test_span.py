"""A span, or a block, that is reused adds its last residual to the stream; mixtures do what their parts do."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest

from evocache import Schedule, apply
from evocache.schedule import COMPUTE, forecast, span_id, uniform
from tests.runtime.byhand import replaced, reusing, skipping, stepping
from tests.runtime.support import counted

HIDDEN = ("hidden_states",)
JOINT = ("encoder_hidden_states", "hidden_states")
VIDEO = ("hidden_states", "encoder_hidden_states")
STREAMS = {"pixart": HIDDEN, "sana": HIDDEN, "ltx": HIDDEN, "flux": JOINT, "cogvideox": VIDEO}


def blocks_of(one, first=0, last=None):
    return list(one.model.denoisers[0].blocks)[first:last]


def outputs(one, columns, computed, tree=None, between=None, steps=4):
    schedule = uniform(tree or one.model.tree, steps, columns, computed, *([between] if between else []))
    with apply(one.pipe, schedule) as handle, counted(one) as ran:
        return one.call(steps=steps), handle.stats, ran


@pytest.mark.parametrize("name", STREAMS)
def test_the_whole_stack_adds_its_residual(family, name):
    one = family(name)
    blocks = blocks_of(one)
    with stepping(one.pipe.transformer) as steps, skipping(blocks, STREAMS[name], steps, {0, 2}):
        expected = one.call()
    span = span_id("transformer", 0, len(blocks))
    output, stats, ran = outputs(one, [span], [0, 2])
    # where two kinds of blocks meet, the order of additions may differ
    assert np.abs(output - expected).max() < 1e-6
    assert stats.executed[span] == 2
    assert {ran[c.id] for c in one.model.tree.of_kind("block")} == {2}


@pytest.mark.parametrize("name", ["pixart", "cogvideox"])
def test_a_part_of_the_stack_adds_its_residual(family, name):
    one = family(name)
    tree = one.model.tree.with_span("transformer", 1, 3)
    with stepping(one.pipe.transformer) as steps, skipping(blocks_of(one, 1, 3), STREAMS[name], steps, {0, 3}):
        expected = one.call()
    output, _, ran = outputs(one, [span_id("transformer", 1, 3)], [0, 3], tree)
    assert np.array_equal(output, expected)
    assert [ran[c.id] for c in tree.of_kind("block")] == [4, 2, 2, 4]


@pytest.mark.parametrize("name", STREAMS)
def test_a_block_adds_its_residual(family, name):
    one = family(name)
    with stepping(one.pipe.transformer) as steps, skipping(blocks_of(one, 1, 2), STREAMS[name], steps, {0, 1}):
        expected = one.call()
    output, stats, _ = outputs(one, [one.model.tree.of_kind("block")[1].id], [0, 1])
    assert np.array_equal(output, expected)
    assert stats.peak_cached_bytes > 0


def test_a_forecast_span_extrapolates_its_residual(family):
    one = family("pixart")
    blocks = blocks_of(one)
    forwards = [block.forward for block in blocks]
    entered, residuals = [], {}

    def make(i, steps):
        def by_hand(x, **kwargs):
            if i == 0:
                entered[:] = [x]
            if steps.now < 2:
                x = forwards[i](x, **kwargs)
                if i == 3:
                    residuals[steps.now] = x - entered[0]
                return x
            return x + residuals[1] + (residuals[1] - residuals[0]) * (steps.now - 1) if i == 3 else x

        return by_hand

    with stepping(one.pipe.transformer) as steps, ExitStack() as stack:
        for i, block in enumerate(blocks):
            stack.enter_context(replaced(block, make(i, steps)))
        expected = one.call()
    span = span_id("transformer", 0, 4)
    output, *_ = outputs(one, [span], [0, 1], between=forecast(1, 1.0))
    reused, *_ = outputs(one, [span], [0, 1])
    assert np.abs(output - expected).max() < np.abs(output - reused).max() / 10


def test_an_ancestor_that_does_not_compute_overrides_what_it_contains(family):
    one = family("pixart")
    tree = one.model.tree
    orders = np.full((4, len(tree)), COMPUTE.order)
    span = tree.index[span_id("transformer", 0, 4)]
    orders[[1, 3], span] = 0
    noisy = orders.copy()
    inside = [i for i, c in enumerate(tree) if c.kind == "block" or c.is_leaf]
    noisy[np.ix_([1, 3], inside)] = np.random.default_rng(0).integers(-1, 3, (2, len(inside)))
    with apply(one.pipe, Schedule(tree, orders)):
        expected = one.call()
    with apply(one.pipe, Schedule(tree, noisy)) as handle:
        assert np.array_equal(one.call(), expected)
    assert handle.stats.executed_fraction == 0.5


def test_spans_blocks_and_leaves_mix(family):
    """Block 0 is skipped at step 1, blocks 1 and 2 at steps 2 and 3, and leaves of blocks 2 and 3 now and then."""
    one = family("pixart")
    tree = one.model.tree.with_span("transformer", 1, 3)
    names = {
        "transformer/transformer_blocks.0": [1],
        "transformer/blocks[1:3]": [2, 3],
        "transformer/transformer_blocks.2.attn2": [1],
        "transformer/transformer_blocks.3.ff": [1, 3],
    }
    orders = np.full((4, len(tree)), COMPUTE.order)
    for id, reused in names.items():
        orders[reused, tree.index[id]] = 0
    blocks, modules = blocks_of(one), one.model.denoisers[0].modules
    with (
        stepping(one.pipe.transformer) as steps,
        reusing(modules["transformer/transformer_blocks.2.attn2"], steps, {0, 2, 3}),
        reusing(modules["transformer/transformer_blocks.3.ff"], steps, {0, 2}),
        skipping(blocks[:1], HIDDEN, steps, {0, 2, 3}),
        skipping(blocks[1:3], HIDDEN, steps, {0, 1}),
    ):
        expected = one.call()
    with apply(one.pipe, Schedule(tree, orders)) as handle, counted(one) as ran:
        output = one.call()
    assert np.array_equal(output, expected)
    assert [ran[c.id] for c in tree.of_kind("block")] == [3, 2, 2, 4]
    assert ran["transformer/transformer_blocks.2.attn2"] == 1
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes


@pytest.mark.parametrize("name", ["pixart", "sd15", "wan"])
def test_a_reused_denoiser_returns_its_last_output(family, name):
    one = family(name)
    denoiser = one.model.denoisers[0]
    calls, last = [0], {}
    forward, branches = denoiser.module.forward, one.tiny.calls_per_step

    def by_hand(*args, **kwargs):
        step, branch = divmod(calls[0], branches)
        calls[0] += 1
        if step in (0, 2):
            last[branch] = forward(*args, **kwargs)[0].clone()
        return (last[branch].clone(),)

    denoiser.module.forward = by_hand
    try:
        expected = one.call()
    finally:
        del denoiser.module.forward
    output, stats, ran = outputs(one, [denoiser.name], [0, 2])
    assert np.array_equal(output, expected)
    assert ran[denoiser.name] == 2 * branches == stats.executed[denoiser.name]
    assert stats.calls == {denoiser.name: 4 * branches}
