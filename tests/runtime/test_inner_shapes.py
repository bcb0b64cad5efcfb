"""Shapes that change inside of a denoiser while its latents' do not: what is stored for other shapes is computed."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from evocache import apply, discover
from evocache.schedule import forecast, uniform
from tests.runtime.prompted import Block, Pipe, Transformer
from tests.runtime.steered import Attention

STEPS = 8
SWITCH = 3
"""The first step at which shapes are others; from step 6 on they are as they were."""


def other(step: int) -> bool:
    return SWITCH <= step < 6


class Switching(Transformer):
    """From one step to another its blocks see fewer tokens, or more, of both streams."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.step = how, 0

    def forward(self, hidden_states, timestep, encoder_hidden_states):
        x, text = hidden_states, encoder_hidden_states
        now = other(self.step)
        for i, block in enumerate(self.transformer_blocks):
            if now and self.how == "pooled" and i == 0:
                x, text = x.unfold(1, 2, 2).mean(-1), text.unfold(1, 2, 2).mean(-1)
            if now and self.how == "joined" and i == 1:
                x, text = torch.cat([x, x[:, :2]], dim=1), torch.cat([text, text[:, :2]], dim=1)
            x = block(x, text)
        if now and self.how == "pooled":
            return x.repeat_interleave(2, dim=1)
        return x[:, : hidden_states.shape[1]]


class Joint(nn.Module):
    """Attends to two streams at once, and returns both."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))

    def forward(self, hidden_states=None, encoder_hidden_states=None):
        return Attention.forward(self, hidden_states), Attention.forward(self, encoder_hidden_states)


class JointBlock(Block):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.attn = Joint(width)

    def forward(self, hidden_states, text, words):
        image, more = self.attn(hidden_states=text, encoder_hidden_states=words)
        return hidden_states + image + self.ff(text) + more.mean(1, keepdim=True)


class Words(Transformer):
    """Tokens of the second stream alone come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer_blocks = nn.ModuleList(JointBlock(8) for _ in range(3))
        self.step = 0

    def forward(self, hidden_states, timestep, encoder_hidden_states):
        x = hidden_states
        words = encoder_hidden_states[:, : 3 if other(self.step) else 6]
        for block in self.transformer_blocks:
            x = block(x, encoder_hidden_states, words)
        return x


class Switched(Pipe):
    """Tells its denoiser the step; latents have as many tokens as the prompt."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.transformer = transformer.eval()

    @torch.no_grad()
    def __call__(self):
        self.scheduler.set_timesteps(STEPS)
        draw = torch.Generator().manual_seed(1)
        x, text = torch.randn(1, 6, 8, generator=draw), torch.randn(1, 6, 8, generator=draw)
        for step, t in enumerate(self.scheduler.timesteps):
            self.transformer.step = step
            out = self.transformer(x, timestep=t, encoder_hidden_states=text)
            x = self.scheduler.step(out, t, x).prev_sample
        return x


def switching(how):
    torch.manual_seed(0)
    return Switched(Words() if how == "words" else Switching(how))


@pytest.mark.parametrize("how", ["pooled", "joined", "words"])
@pytest.mark.parametrize("spec", ["fora:8", "taylorseer:4,1", "steps:0,7", "fbcache:0.9", "teacache:0.9"])
def test_other_shapes_inside_compute(how, spec):
    """Features depend on the prompt alone, so that what is served right is exact."""
    pipe = switching(how)
    expected = pipe()
    with apply(pipe, spec) as handle:
        assert float((pipe() - expected).abs().max()) < 1e-5
    stats = handle.stats
    assert stats.executed_fraction < 1
    assert stats.cached_bytes == 0


def test_what_is_computed_after_all_is_counted_and_used_from_then_on():
    pipe = switching("pooled")
    id = "transformer/transformer_blocks.1.ff"
    counts = []
    pipe.transformer.transformer_blocks[1].ff.register_forward_pre_hook(lambda *_: counts.append(pipe.transformer.step))
    with apply(pipe, "fora:8") as handle:
        pipe()
    assert counts == [0, SWITCH, 6]
    assert handle.stats.executed[id] == 3
    with apply(pipe, "steps:0") as handle:
        counts.clear()
        pipe()
    assert counts == [0, *range(SWITCH, 6)]  # a residual is stored at the schedule's steps alone
    assert handle.stats.executed[id] == len(counts)
    assert handle.stats.executed["transformer/transformer_blocks.1"] == len(counts)


def test_forecasts_from_values_of_two_shapes_are_the_latest():
    pipe = switching("pooled")
    tree = discover(pipe).tree
    leaves = [c.id for c in tree if c.is_leaf]
    schedule = uniform(tree, STEPS, leaves, (0, 2, 4), forecast(1))
    expected = pipe()
    with apply(pipe, schedule):
        assert float((pipe() - expected).abs().max()) < 1e-5


def test_a_run_whose_shapes_change_within_is_made_anew():
    pipe = switching("joined")
    with apply(pipe, "steps:0") as handle:
        pipe()
    assert {handle.stats.executed[f"transformer/transformer_blocks.{i}"] for i in range(3)} == {1 + 3}
    assert handle.stats.executed["transformer"] == STEPS


def test_runs_of_a_span_that_fit_are_passed_by():
    """Where shapes change between two blocks, what comes before is passed by, and what comes after computes."""
    pipe = switching("joined")
    ran = []
    for i, block in enumerate(pipe.transformer.transformer_blocks):
        block.register_forward_pre_hook(lambda *_, i=i: ran.append((pipe.transformer.step, i)))

    class Between(Switching):
        def forward(self, hidden_states, timestep, encoder_hidden_states):
            x, text = hidden_states, encoder_hidden_states
            for i, block in enumerate(self.transformer_blocks):
                if i == 1:  # the host makes a new tensor here at all steps, so that a run ends
                    more = 2 if other(self.step) else 0
                    x, text = torch.cat([x, x[:, :more]], dim=1), torch.cat([text, text[:, :more]], dim=1)
                x = block(x, text)
            return x[:, : hidden_states.shape[1]]

    pipe.transformer.__class__ = Between
    expected = pipe()
    ran.clear()
    with apply(pipe, "steps:0") as handle:
        assert float((pipe() - expected).abs().max()) < 1e-5
    assert sorted(ran) == [(0, 0), (0, 1), (0, 2), *((step, i) for step in (3, 4, 5) for i in (1, 2))]
    executed = handle.stats.executed
    assert [executed[f"transformer/transformer_blocks.{i}.ff"] for i in range(3)] == [1, 4, 4]


@contextmanager
def pooled(unet):
    """The U-Net's inner resolution is halved below its first stage, at some steps."""
    step = {"now": -1}

    def begin(*_):
        step["now"] += 1

    def down(module, args, output):
        return nn.functional.avg_pool2d(output, 2) if other(step["now"]) else output

    def up(module, args, output):
        return nn.functional.interpolate(output, scale_factor=2.0) if other(step["now"]) else output

    hooks = [
        unet.register_forward_pre_hook(begin),
        unet.down_blocks[0].downsamplers[0].register_forward_hook(down),
        unet.up_blocks[-2].upsamplers[0].register_forward_hook(up),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("spec", ["fora:8", "taylorseer:4,1", "deepcache:8", "deepcache:8,2", "fbcache:9"])
def test_a_u_net_whose_resolution_changes_inside(family, spec):
    one = family("sd15")
    with pooled(one.pipe.unet):
        reference = one.call(steps=STEPS, height=64, width=64)
    with pooled(one.pipe.unet), apply(one.pipe, spec) as handle:
        output = one.call(steps=STEPS, height=64, width=64)
    assert np.isfinite(output).all()
    assert not np.array_equal(output, reference)
    assert handle.stats.executed_fraction < 1
    assert handle.stats.cached_bytes == 0


def test_a_deep_part_of_another_shape_is_computed_and_counted(family):
    one = family("sd15")
    deepest = one.model.tree.of_kind("deep")[-1].id
    schedule = uniform(one.model.tree, STEPS, [deepest], (0,))
    ran = []
    hook = one.pipe.unet.mid_block.register_forward_pre_hook(lambda *_: ran.append(True))
    with pooled(one.pipe.unet), apply(one.pipe, schedule) as handle:
        one.call(steps=STEPS, height=64, width=64)
    hook.remove()
    assert len(ran) == handle.stats.executed[deepest] == 3
    assert handle.stats.executed["unet/mid_block.resnets.0"] == 3


@pytest.mark.parametrize("leaf", ["proj_out", "attn", "proj_mlp"])
def test_what_nobody_reads_is_computed_where_its_shape_changes(family, leaf):
    """FLUX.1's single blocks are given half of the prompt's tokens, from a step to another."""
    one = family("flux")
    step = {"now": -1}

    def begin(*_):
        step["now"] += 1

    def shortened(module, args, kwargs):
        if not other(step["now"]):
            return args, kwargs
        words = kwargs["encoder_hidden_states"]
        kept, more = words.shape[1] // 2, kwargs["image_rotary_emb"][0].shape[0] - kwargs["hidden_states"].shape[1]
        cut = min(kept, words.shape[1]) if words.shape[1] == more else words.shape[1]
        rotary = tuple(part[more - cut :] for part in kwargs["image_rotary_emb"])
        return args, {**kwargs, "encoder_hidden_states": words[:, :cut], "image_rotary_emb": rotary}

    transformer = one.pipe.transformer
    hooks = [transformer.register_forward_pre_hook(begin)]
    hooks += [
        block.register_forward_pre_hook(shortened, with_kwargs=True) for block in transformer.single_transformer_blocks
    ]
    leaves = [c.id for c in one.model.tree if c.is_leaf and c.id.endswith(leaf) and "single" in c.id]
    schedule = uniform(one.model.tree, STEPS, leaves, (0,))
    try:
        with apply(one.pipe, schedule) as handle:
            assert np.isfinite(one.call(steps=STEPS)).all()
    finally:
        for hook in hooks:
            hook.remove()
    assert {handle.stats.executed[id] for id in leaves} == {3}
