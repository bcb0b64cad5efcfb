"""DeepCache, written by hand on the modules of a U-Net, and the runtime: the same images."""

from __future__ import annotations

from types import MethodType
from typing import ClassVar

import numpy as np
import pytest
import torch
from diffusers.utils.torch_utils import apply_freeu

from evocache import Schedule, apply
from evocache.schedule import deep_id, uniform
from tests.runtime.byhand import replaced
from tests.runtime.support import counted

COMPUTED = {0, 2}


class DeepCacheByHand:
    """The forward of `UNet2DConditionModel` that computes the part below skip connection `depth` at some steps."""

    def __init__(self, unet: torch.nn.Module, depth: int) -> None:
        self.unet = unet
        self.depth = depth
        self.step = -1

    def __call__(self, sample, timestep, encoder_hidden_states, **kwargs):
        self.step += 1
        computes = self.step in COMPUTED
        unet = self.unet
        emb = unet.time_embedding(unet.get_time_embed(sample=sample, timestep=timestep))
        total = sum(len(block.resnets) for block in unet.up_blocks)
        wanted = total if computes else self.depth + 1
        x = unet.conv_in(sample)
        skips = [x]
        for run in self.down(x, emb, encoder_hidden_states):
            if len(skips) == wanted:
                break
            skips.append(run(skips[-1]))
        x = unet.mid_block(skips[-1], emb, encoder_hidden_states=encoder_hidden_states) if computes else None
        for index, (stage, layer) in enumerate((s, i) for s in unet.up_blocks for i in range(len(s.resnets))):
            left = total - 1 - index
            if left == self.depth:
                if computes:
                    self.kept = x
                x = self.kept
            if computes or left <= self.depth:
                x = self.layer(stage, layer, self.join(stage, x, skips[left]), emb, encoder_hidden_states)
                if layer == len(stage.resnets) - 1 and stage.upsamplers:
                    x = stage.upsamplers[0](x)
        return (unet.conv_out(unet.conv_act(unet.conv_norm_out(x))),)

    def join(self, stage, x, skip):
        """A skip connection."""
        return torch.cat([x, skip], dim=1)

    def down(self, x, emb, text):
        """What makes one skip connection after the other."""
        for stage in self.unet.down_blocks:
            for layer in range(len(stage.resnets)):
                yield lambda x, stage=stage, layer=layer: self.layer(stage, layer, x, emb, text)
            yield from stage.downsamplers or ()

    @staticmethod
    def layer(stage, index, x, emb, text):
        """One residual block and, where there is one, its transformer."""
        x = stage.resnets[index](x, emb)
        if hasattr(stage, "attentions"):
            (x,) = stage.attentions[index](x, encoder_hidden_states=text, return_dict=False)
        return x


def by_hand(one, hand):
    """The output under caching by hand, and what was kept."""
    with replaced(one.pipe.unet, MethodType(lambda _, *args, **kwargs: hand(*args, **kwargs), one.pipe.unet)):
        return one.call(), hand.kept


@pytest.mark.parametrize("depth", [0, 1, 2, 3, 5, 7])
def test_deep_reuse_is_deepcache(family, depth):
    one = family("sd15")
    expected, kept = by_hand(one, DeepCacheByHand(one.pipe.unet, depth))
    part = deep_id("unet", depth)
    with apply(one.pipe, uniform(one.model.tree, 4, [part], sorted(COMPUTED))) as handle, counted(one) as ran:
        output = one.call()
    assert np.array_equal(output, expected)
    assert not np.array_equal(output, one.reference)
    assert handle.stats.executed[part] == 2
    inside = [c.id for c in one.model.tree if part in ancestors(one.model.tree, c)]
    assert {ran[id] for id in inside if "deep" not in id} <= {2}
    assert {ran[c.id] for c in one.model.tree if c.id not in inside and c.kind != "deep"} == {4}
    assert handle.stats.peak_cached_bytes == kept.nbytes


def ancestors(tree, component):
    """Ids of what contains a component."""
    by_id = {c.id: c for c in tree}
    out = []
    while component.parent is not None:
        component = by_id[component.parent]
        out.append(component.id)
    return out


def test_depths_may_alternate(family):
    """Depth 4 is reused where depth 1 computes; each returns what it last computed."""
    one = family("sd15")
    tree = one.model.tree
    orders = np.full((4, len(tree)), -1)
    orders[[1], tree.index[deep_id("unet", 1)]] = 0
    orders[[2, 3], tree.index[deep_id("unet", 4)]] = 0
    with apply(one.pipe, Schedule(tree, orders)) as handle, counted(one) as ran:
        output = one.call()
    assert np.isfinite(output).all()
    assert ran["unet/mid_block.resnets.0"] == 1
    assert ran["unet/up_blocks.2.resnets.1"] == 3  # reads skip connection 2
    assert ran["unet/up_blocks.3.resnets.1"] == 4
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes


class FreeUByHand(DeepCacheByHand):
    """The same with FreeU, which scales features in place."""

    scales: ClassVar = {"s1": 0.9, "s2": 0.2, "b1": 1.4, "b2": 1.6}

    def join(self, stage, x, skip):
        return super().join(stage, *apply_freeu(stage.resolution_idx, x.clone(), skip, **self.scales))


@pytest.mark.parametrize("depth", [1, 4, 5, 6])
def test_features_that_the_host_changes_in_place_are_kept_as_they_were(family, depth):
    one = family("sd15")
    one.pipe.enable_freeu(**FreeUByHand.scales)
    try:
        expected, _ = by_hand(one, FreeUByHand(one.pipe.unet, depth))
        with apply(one.pipe, uniform(one.model.tree, 4, [deep_id("unet", depth)], sorted(COMPUTED))):
            assert np.array_equal(one.call(), expected)
    finally:
        one.pipe.disable_freeu()
        for block in one.pipe.unet.up_blocks:
            del block.s1, block.s2, block.b1, block.b2
