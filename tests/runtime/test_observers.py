"""Attention whose processor keeps what it sees is computed at every step, and with it what contains it."""

from __future__ import annotations

import numpy as np
import pytest
from diffusers.models.attention_processor import AttnProcessor

from evocache import apply
from evocache.errors import EvocacheWarning
from tests.pipelines.stable_diffusion import row as sd_row

STEPS = 5


class Storing(AttnProcessor):
    """Keeps the mean of each output in a store that it shares with others."""

    def __init__(self, store):
        super().__init__()
        self.store = store

    def __call__(self, *args, **kwargs):
        output = super().__call__(*args, **kwargs)
        self.store["seen"].append(float(output.mean()))
        return output


class Plain(AttnProcessor):
    """A processor of a user's own that keeps nothing."""


@pytest.mark.filterwarnings("ignore:nothing was reused")
@pytest.mark.parametrize("spec", ["fora:5", "deepcache:5", "freqca:3", "fbcache:9", "taylorseer:5,1"])
def test_observed_attention_is_computed(family, spec):
    one = family("sd15")
    layer = one.pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1
    store = {"seen": []}
    held = layer.processor
    layer.set_processor(Storing(store))
    try:
        one.call(steps=STEPS)
        count = len(store["seen"])
        store["seen"].clear()
        with apply(one.pipe, spec) as handle:
            one.call(steps=STEPS)
        assert len(store["seen"]) == count
        leaf = "unet/mid_block.attentions.0.transformer_blocks.0.attn1"
        assert handle.stats.executed[leaf] == STEPS
        layer.set_processor(Plain())
        with apply(one.pipe, spec) as handle:
            one.call(steps=STEPS)
        assert handle.stats.executed_fraction < 1
    finally:
        layer.set_processor(held)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_self_attention_guidance_is_accelerated_beside_what_it_observes():
    """diffusers' own pipeline keeps the maps of the innermost attention, and is guided by them at each step."""
    row = sd_row("StableDiffusionSAGPipeline", {"sag_scale": 0.75, "guidance_scale": 2.0})
    pipe = row.build()
    reference = row.run(pipe)
    with apply(pipe, "none"):
        assert np.array_equal(row.run(pipe), reference)
    with apply(pipe, "fora:2") as handle:
        output = row.run(pipe)
        executed = handle.stats.executed
        calls = handle.stats.calls["unet"]
    observed = {
        id: count for id, count in executed.items() if "/mid_block.attentions.0.transformer_blocks.0.attn1" in id
    }
    assert list(observed.values()) == [calls]
    assert min(executed.values()) == calls // 2
    assert 0 < np.abs(output - reference).max() < 0.1
    with apply(pipe, "deepcache:2"), pytest.warns(EvocacheWarning, match="nothing was reused"):
        assert np.array_equal(row.run(pipe), reference)
    assert np.array_equal(row.run(pipe), reference)


@pytest.mark.filterwarnings("ignore:.*deprecated", "ignore:torch.meshgrid")
def test_attend_and_excite_is_accelerated_beside_what_it_observes():
    """diffusers' own pipeline keeps maps of all attention layers while it alters latents; other layers are reused."""
    given = {"token_indices": [2, 3], "max_iter_to_alter": 1, "thresholds": {}, "attn_res": (16, 16)}
    row = sd_row("StableDiffusionAttendAndExcitePipeline", given)
    pipe = row.build()
    reference = row.run(pipe)
    with apply(pipe, "none"):
        assert np.array_equal(row.run(pipe), reference)
    with apply(pipe, "fora:2") as handle:
        output = row.run(pipe)
        executed, calls = handle.stats.executed, handle.stats.calls["unet"]
    layers = {id: count for id, count in executed.items() if id.endswith(("attn1", "attn2"))}
    reused = [count for id, count in executed.items() if id.endswith(".ff")]
    assert max(reused) < min(layers.values()) <= calls
    assert 0 < np.abs(output - reference).max() < 0.1
    assert np.array_equal(row.run(pipe), reference)
