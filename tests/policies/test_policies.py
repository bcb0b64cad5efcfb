"""Each policy's grid on hand-made models, cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from evocache.errors import PolicyError
from evocache.policies import parse
from evocache.policies.static.steps import find_outermost


def skipped(schedule):
    """Steps at which each component is told not to compute though what contains it does."""
    return {c.id: np.flatnonzero(schedule.read[:, i]).tolist() for i, c in enumerate(schedule.components)}


def test_fora_reuses_attention_and_feed_forward(family):
    tree = family("sd15").model.tree
    for id, steps in skipped(parse("fora:3").schedule(tree, 7)).items():
        kind = tree.components[tree.index[id]].kind
        assert steps == ([1, 2, 4, 5] if kind in ("attention", "cross_attention", "feed_forward") else [])


def test_fora_reads_no_feature_that_nobody_needs(family):
    tree = family("flux").model.tree
    found = skipped(parse("fora:2").schedule(tree, 4))
    for id, steps in found.items():
        source = tree.components[tree.index[id]].readers
        leaf = tree.components[tree.index[id]].is_leaf
        assert steps == ([1, 3] if leaf and not source else [])


def test_tgate_freezes_cross_attention(family):
    tree = family("pixart").model.tree
    for id, steps in skipped(parse("tgate:2").schedule(tree, 5)).items():
        assert steps == ([2, 3, 4] if id.endswith("attn2") else [])


@pytest.mark.parametrize(("spec", "depth"), [("deepcache:2", 0), ("deepcache:2,0", 0), ("deepcache:2,7", 7)])
def test_deepcache_reuses_one_deep_part(family, spec, depth):
    tree = family("sd15").model.tree
    for id, steps in skipped(parse(spec).schedule(tree, 5)).items():
        assert steps == ([1, 3] if id == f"unet/deep[{depth}]" else [])


@pytest.mark.parametrize(
    ("name", "temporal"),
    [("latte", "/temporal_"), ("animatediff", "motion_modules"), ("svd", ".temporal_")],
)
def test_pab_tells_temporal_attention_from_spatial(family, name, temporal):
    tree = family(name).model.tree
    found = {"attention": set(), "temporal": set(), "cross_attention": set()}
    for id, steps in skipped(parse("pab:2,4,0,1,3").schedule(tree, 5)).items():
        kind = tree.components[tree.index[id]].kind
        if kind in found and not any(c.id in found for c in tree.children(id)):
            own = kind == "attention" and temporal in id
            found["temporal" if own else kind].add(tuple(steps))
    assert found == {"attention": {(1, 3)}, "temporal": {(1, 2, 4)}, "cross_attention": {(1, 2, 3)}}


def test_pab_refuses_an_interval_for_temporal_attention_where_there_is_none(family):
    with pytest.raises(PolicyError, match="temporal"):
        parse("pab:2,6,0,1,3").schedule(family("cogvideox").model.tree, 5)


@pytest.mark.parametrize(
    ("name", "stacks"),
    [
        ("pixart", ["transformer/blocks[0:4]"]),
        ("wan22", ["transformer/blocks[0:4]", "transformer_2/blocks[0:4]"]),
        ("sd15", ["unet/deep[0]"]),
        ("kandinsky22", ["unet/deep[0]", "prior_prior/blocks[0:4]"]),
        ("stable_cascade", ["decoder/blocks[0:20]", "prior_prior/blocks[0:20]"]),
    ],
)
def test_a_step_mask_skips_the_largest_part_of_each_denoiser(family, name, stacks):
    tree = family(name).model.tree
    assert [c.id for c in find_outermost(tree)] == stacks
    for id, steps in skipped(parse("steps:0,1,4").schedule(tree, 6)).items():
        assert steps == ([2, 3, 5] if id in stacks else [])
