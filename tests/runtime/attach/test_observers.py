"""Attention whose processor keeps what it sees is computed at every step, and with it what contains it."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from accelerate.hooks import AlignDevicesHook, ModelHook, add_hook_to_module, remove_hook_from_module
from diffusers.models.attention_processor import AttnProcessor

from evocache import apply
from evocache.errors import EvocacheWarning, GenerationError
from evocache.memory.planner.footprint import Cut
from evocache.memory.planner.planner import MemoryPlan
from evocache.memory.rehearsal.rehearsal import rehearse, shadow
from evocache.memory.slicing.exact_slicings import slicings
from evocache.schedule import guidance_id, uniform
from tests.pipelines.deprecated import TURNED
from tests.pipelines.deprecated import row as deprecated_row
from tests.pipelines.ledits import EDITS, SOLVER, inverted
from tests.pipelines.row import STEPS as ROW_STEPS
from tests.pipelines.stable_diffusion import row as sd_row
from tests.pipelines.stable_diffusion import small_unet, with_unet
from tests.runtime.steered import Pipe
from tests.runtime.test_call_memory import captured

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
    """diffusers' own pipeline keeps maps of all attention layers in calls whose gradient it takes, and alters latents.

    Those calls compute everything; in the others attention is computed, too, since its processors are the same, and
    all other layers are reused.
    """
    given = {"token_indices": [2, 3], "max_iter_to_alter": 1, "thresholds": {}, "attn_res": (16, 16)}
    row = sd_row("StableDiffusionAttendAndExcitePipeline", given)
    pipe = row.build()
    reference = row.run(pipe)
    with apply(pipe, "none"):
        assert np.array_equal(row.run(pipe), reference)
    with apply(pipe, "fora:2") as handle:
        output = row.run(pipe)
        executed, calls = handle.stats.executed, handle.stats.calls["unet"]
    assert {count for id, count in executed.items() if id.endswith(("attn1", "attn2"))} == {calls}
    assert {count for id, count in executed.items() if id.endswith(".ff")} == {calls // 2 + calls // 4}
    assert 0 < np.abs(output - reference).max() < 0.1
    assert np.array_equal(row.run(pipe), reference)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_pix2pix_zero_is_accelerated_beside_what_it_observes():
    """diffusers' own pipeline keeps maps of attention in one pass, and in the next takes gradients of what differs."""
    row = deprecated_row("StableDiffusionPix2PixZeroPipeline", TURNED, parts=with_unet())
    pipe = row.build()
    reference = row.run(pipe)
    with apply(pipe, "none"):
        assert np.array_equal(row.run(pipe), reference)
    with apply(pipe, "fora:2") as handle:
        output = row.run(pipe)
        executed, calls = handle.stats.executed, handle.stats.calls["unet"]
    assert calls == 3 * ROW_STEPS
    assert {count for id, count in executed.items() if id.endswith("attn2")} == {calls}
    assert {count for id, count in executed.items() if id.endswith(".ff")} == {2 * ROW_STEPS}  # and where gradients are
    assert 0 < np.abs(output - reference).max() < 0.1
    with apply(pipe, "deepcache:2"), pytest.warns(EvocacheWarning, match="attn2 is observed by its attention proc"):
        assert np.array_equal(row.run(pipe), reference)


@pytest.mark.parametrize("given", [{"use_intersect_mask": True}, {"use_cross_attn_mask": True}])
def test_ledits_is_accelerated_beside_what_it_observes(given):
    """diffusers' own pipeline finds by maps of cross-attention, and by the noise in them, where a picture is edited."""
    levels = {
        "block_out_channels": (8, 16, 16),
        "down_block_types": ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    }
    call = {**EDITS, "use_intersect_mask": False, **given}
    parts = lambda: {**SOLVER(), "unet": small_unet(**levels)}  # noqa: E731
    row = sd_row("LEditsPPPipelineStableDiffusion", call, parts=parts, after=inverted)
    pipe = row.build()
    reference = row.run(pipe)
    with apply(pipe, "fora:2") as handle:
        output = row.run(pipe)
        executed, calls = handle.stats.executed, handle.stats.calls["unet"]
    assert calls == ROW_STEPS
    for id, count in executed.items():
        if id.endswith(("attn1", "attn2", ".ff")):
            assert count == (calls if "attn2" in id and "mid_block" not in id else calls // 2), id
    assert 0 < np.abs(output - reference).max() < 0.3
    assert np.array_equal(row.run(pipe), reference)


WAYS = ("hook", "pre-hook", "hook on an inner layer", "forward", "processor")


def observe(pipe, way, seen):
    """Begin to observe a leaf; what ends it."""
    layer = pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1
    if way == "hook":
        return layer.register_forward_hook(lambda *_: seen.append(1)).remove
    if way == "pre-hook":
        return layer.register_forward_pre_hook(lambda *_: seen.append(1)).remove
    if way == "hook on an inner layer":
        return layer.to_out[0].register_forward_hook(functools.partial(lambda *_: seen.append(1))).remove
    if way == "processor":
        held = layer.processor
        layer.set_processor(Storing({"seen": seen}))
        return lambda: layer.set_processor(held)
    forward = layer.forward

    def seeing(*args, **kwargs):
        seen.append(1)
        return forward(*args, **kwargs)

    layer.forward = seeing
    return lambda: layer.__dict__.pop("forward")


@pytest.mark.filterwarnings("ignore:nothing was reused")
@pytest.mark.parametrize("way", WAYS)
def test_what_is_observed_from_a_step_on_is_computed_until_it_is_no_longer(family, way):
    """The untouched pipeline shows the observer steps 2 to 5 of 8."""
    one = family("sd15")
    leaf = "unet/mid_block.attentions.0.transformer_blocks.0.attn1"
    other = leaf.replace("attn1", "ff")
    seen, ends = [], []

    def callback(pipe, step, timestep, tensors):
        if step == 1:
            ends.append(observe(pipe, way, seen))
        if step == 5:
            ends.pop()()
        return tensors

    for spec, without in (("fora:8", 1), ("deepcache:8", 1), ("steps:0", 1), ("fbcache:9", None), ("freqca:8", None)):
        seen.clear()
        with apply(one.pipe, spec) as handle:
            one.call(steps=8, callback_on_step_end=callback)
            executed = handle.stats.executed
            assert len(seen) == 4, spec
            assert without is None or executed[leaf] == without + 4, spec
            assert executed[leaf] < 8, spec
            assert spec[:4] != "fora" or executed[other] == 1
            one.call(steps=8)
            assert len(seen) == 4
            assert without is None or handle.stats.executed[leaf] == without


@pytest.mark.parametrize("spec", ["fora:3", "steps:0,3", "teacache:9"])
def test_hooks_and_forwards_of_before_see_what_is_computed(family, spec):
    """As counters of calls and profilers mean it, and offloading needs it."""
    one = family("pixart")
    block = one.pipe.transformer.transformer_blocks[1]
    with apply(one.pipe, spec) as handle:
        expected = one.call(steps=6)
        count = handle.stats.executed["transformer/transformer_blocks.1.ff"]
        seen = []
        hook = block.ff.register_forward_hook(lambda *_: seen.append(1))
        assert np.array_equal(one.call(steps=6), expected)
        hook.remove()
    assert len(seen) == count < 6


def test_what_moves_modules_in_a_generation_observes_nothing(family):
    one = family("pixart")
    block = one.pipe.transformer.transformer_blocks[1]

    class Elsewhere(ModelHook):
        def pre_forward(self, module, *args, **kwargs):
            seen.append(1)
            return super().pre_forward(module, *args, **kwargs)

    seen = []
    for hook, observes in ((AlignDevicesHook(), False), (Elsewhere(), True)):

        def callback(step, *_, hook=hook):
            if step == 0:
                add_hook_to_module(block.ff, hook)

        with apply(one.pipe, "fora:6") as handle:
            one.call(steps=6, callback=callback, callback_steps=1)
        remove_hook_from_module(block.ff)
        assert handle.stats.executed["transformer/transformer_blocks.1.ff"] == 1 + 5 * observes
        assert len(seen) == 5 * observes


def test_observers_see_whole_batches(family):
    """A pair that guidance made is not halved."""
    one = family("cogvideox")
    root = "transformer"
    schedule = uniform(one.model.tree.with_guidance(root), 4, [guidance_id(root)], (0,))
    layer = one.pipe.transformer.transformer_blocks[0].attn1
    seen = []

    class Sizes(type(layer.processor)):
        def __call__(self, attn, hidden_states, encoder_hidden_states, attention_mask=None, image_rotary_emb=None):
            seen.append(len(hidden_states))
            return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, image_rotary_emb)

    held = layer.processor
    layer.set_processor(Sizes())
    try:
        with apply(one.pipe, schedule), pytest.warns(EvocacheWarning, match="nothing was reused") as warned:
            assert np.array_equal(one.call(), one.reference)
    finally:
        layer.set_processor(held)
    assert seen == [2] * 4
    assert "transformer_blocks.0.attn1 is observed by its attention processor" in str(warned[0].message)


@pytest.mark.filterwarnings("ignore:nothing was reused")
@pytest.mark.parametrize("spec", ["fora:4", "steps:0", "fbcache:9", "taylorseer:2,1"])
def test_gradients_are_those_of_the_whole_call(spec):
    """A loop that follows a gradient through its denoiser, as guidance by a classifier does; no graph is kept."""
    pipe = Pipe("plain")
    weights = list(pipe.transformer.parameters())

    def loop(guided):
        pipe.scheduler.set_timesteps(4)
        x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
        slopes = []
        for i, t in enumerate(pipe.scheduler.timesteps):
            if guided(i):
                with torch.enable_grad():
                    x = x.detach().requires_grad_()
                    given = pipe.transformer(x, timestep=t)
                    (slope,) = torch.autograd.grad(given.square().sum(), x)
                with torch.no_grad():
                    assert torch.equal(given, pipe.transformer.forward(x, t))
                    slopes.append(slope)
                x = x.detach() - 0.01 * slope
            with torch.no_grad():
                x = pipe.scheduler.step(pipe.transformer(x, timestep=t), t, x).prev_sample
        return x, slopes

    for guided in (lambda i: True, lambda i: i == 2):
        with apply(pipe, spec) as handle, handle.generation():
            output, slopes = loop(guided)
        assert torch.isfinite(output).all()
        assert not output.requires_grad
        assert len(slopes) == (4 if guided(0) else 1)
    with apply(pipe, spec) as handle, handle.generation():
        pipe.scheduler.set_timesteps(4)
        for t in pipe.scheduler.timesteps:
            given = pipe.transformer(torch.zeros(1, 5, 8), timestep=t)  # gradients of weights alone are recorded
            pipe.scheduler.step(given.detach(), t, given.detach())
        assert all(weight.requires_grad for weight in weights)
        assert min(handle.stats.executed.values()) < 4


@pytest.mark.parametrize("compiles", ["whole", "blocks"])
def test_what_is_observed_in_a_compiled_denoiser_is_computed(compiles):
    """Dynamo sees a forward that is replaced, in the middle of a generation, and makes its graphs anew."""
    pipe = Pipe("plain")
    blocks = pipe.transformer.transformer_blocks
    for module in [pipe.transformer] if compiles == "whole" else blocks:
        module.compile(backend="eager")
    forward, seen, steps = blocks[1].ff.forward, [], []

    class Scheduler(type(pipe.scheduler)):
        def step(self, *args, **kwargs):
            if len(steps) == 1:
                blocks[1].ff.forward = torch.compiler.disable(lambda x: seen.append(1) or forward(x))
            steps.append(1)
            return super().step(*args, **kwargs)

    pipe.scheduler = Scheduler.from_config(pipe.scheduler.config)
    shown = []
    for spec in ("none", "fora:5"):
        with apply(pipe, spec) as handle:
            pipe(STEPS)
            executed = handle.stats.executed
        shown.append(len(seen))
        del blocks[1].ff.forward
        seen.clear()
        steps.clear()
    assert shown == [STEPS - 2] * 2
    assert executed["transformer/transformer_blocks.1.ff"] == 1 + STEPS - 2
    assert executed["transformer/transformer_blocks.2.ff"] == 1


def test_what_is_observed_in_slices_is_refused(family):
    """A budget that has a layer run in slices would show an observer a part of it."""
    one = family("pixart")
    path = "transformer_blocks.1.ff"
    double = shadow(one.pipe.transformer)
    use = rehearse(double, *captured(one)["transformer"], [double.get_submodule(path)]).uses[0]
    cut = Cut(slicings(use.module, use.args, use.kwargs)[0], 2)
    within = one.pipe.transformer.get_submodule(path).net[2]
    hooks = []

    def callback(step, *_):
        if step == 1:
            hooks.append(within.register_forward_hook(lambda *_: None))

    with apply(one.pipe, "fora:2", memory=MemoryPlan(None, {}, cuts={"transformer": {path: cut}})):
        one.call()
        with pytest.raises(GenerationError, match=f"a hook, transformer.{path}.net.2, in a .*slices.*raise the budget"):
            one.call(callback=callback, callback_steps=1)
        hooks.pop().remove()
        one.call()
    assert np.array_equal(one.call(), one.reference)


def test_what_is_handed_to_a_processor_may_be_filled(family):
    one = family("sd15")
    layer = one.pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1
    held, store = layer.processor, []

    class Filling(AttnProcessor):
        def __call__(self, *args, store=None, **kwargs):
            if store is not None:
                store.append(1)
            return super().__call__(*args, **kwargs)

    layer.set_processor(Filling())
    try:
        with apply(one.pipe, "fora:4") as handle:
            one.call(cross_attention_kwargs={"store": store})
            assert len(store) == 4
            one.call(cross_attention_kwargs={"store": None})
            assert handle.stats.executed["unet/mid_block.attentions.0.transformer_blocks.0.attn1"] == 1
    finally:
        layer.set_processor(held)
