"""What is found in pipelines whose parts were counted by hand."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from evocache import discover
from tests.tiny import FAMILIES, FAMILY_OF

KINDS = {
    # denoisers, spans, blocks, then leaves
    "pixart": {"denoiser": 1, "span": 1, "block": 4, "attention": 4, "cross_attention": 4, "feed_forward": 4},
    # 2 double blocks: one joint attention, two feed-forwards; 3 single blocks: attention and two bare projections
    "flux": {"denoiser": 1, "span": 1, "block": 5, "attention": 5, "feed_forward": 2 * 2 + 3, "projection": 3},
    # the first two blocks attend twice; the last has no feed-forward for its text
    "sd3": {"denoiser": 1, "span": 1, "block": 4, "attention": 4 + 2, "feed_forward": 4 + 3},
    # the last two of six blocks take a long skip in by a projection
    "hunyuandit": {
        "denoiser": 1,
        "span": 1,
        "block": 6,
        "attention": 6,
        "cross_attention": 6,
        "feed_forward": 6,
        "projection": 2,
    },
    "wan22": {"denoiser": 2, "span": 2, "block": 8, "attention": 8, "cross_attention": 8, "feed_forward": 8},
    "latte": {"denoiser": 1, "span": 1, "block": 8, "attention": 8, "cross_attention": 4, "feed_forward": 8},
    # transformers: 3 levels x 1 down, 1 middle, 3 x 2 up; resnets: 4 x 1 down, 2 middle, 4 x 2 up; 4 x 2 skips
    "sd15": {
        "denoiser": 1,
        "block": 10,
        "attention": 10,
        "cross_attention": 10,
        "feed_forward": 10,
        "resnet": 14,
        "deep": 8,
    },
    # three levels, two of which attend, one layer in the first and two in the second: 2 x 2 down, 2 middle, 2 x 3 up
    "sdxl": {
        "denoiser": 1,
        "block": 2 + 4 + 2 + 3 + 6,
        "attention": 17,
        "cross_attention": 17,
        "feed_forward": 17,
        "resnet": 3 * 2 + 2 + 3 * 3,
        "deep": 3 * 3,
    },
    # two levels, of which one attends; a motion module after each of 2 x 1 down, 1 middle, 2 x 2 up, whose blocks
    # attend to time twice
    "animatediff": {
        "denoiser": 1,
        "block": 4 + 7,
        "attention": 4 + 2 * 7,
        "cross_attention": 4,
        "feed_forward": 4 + 7,
        "resnet": 8,
        "motion": 7,
        "deep": 4,
    },
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(family, name):
    assert Counter(c.kind for c in family(name).model.tree) == KINDS[name]


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_denoisers_and_blocks(family, name):
    one = family(name)
    tree = one.model.tree
    assert {d.name for d in one.model.denoisers} == set(one.tiny.denoisers)
    for denoiser in one.model.denoisers:
        assert denoiser.module is getattr(one.pipe, denoiser.name)
        assert one.model.classes[denoiser.name] == type(denoiser.module).__name__
        for id, module in denoiser.modules.items():
            path = id.partition("/")[2]
            assert module is denoiser.module.get_submodule(path)
        numbered = [c.block for c in denoiser.components if c.kind == "block" and c.block is not None]
        assert sorted(numbered) == list(range(len(numbered)))
    if one.tiny.kind == "dit":
        assert sum(c.block is not None for c in tree.of_kind("block")) == one.tiny.blocks
    paths = {c.id.replace("/", ".").rpartition(".")[0] for c in tree.of_kind("block")}
    assert set(one.tiny.block_lists) <= paths


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_leaves_lie_in_blocks_and_modules_are_found_once(family, name):
    one = family(name)
    kinds = {c.id: c.kind for c in one.model.tree}
    for component in one.model.tree:
        if component.kind in ("feed_forward", "projection", "cross_attention"):
            assert kinds[component.parent] == "block"
        if component.parent and "[" not in component.parent:
            assert component.id.startswith(component.parent)
    modules = [id(m) for d in one.model.denoisers for m in d.modules.values()]
    assert len(modules) == len(set(modules))


def test_ids_and_readers_of_flux(family):
    tree = family("flux").model.tree
    double, single = "transformer/transformer_blocks.1", "transformer/single_transformer_blocks.2"
    found = {c.id: (c.kind, c.block, c.parent, c.readers) for c in tree}
    assert found["transformer/blocks[0:5]"] == ("span", None, "transformer", ())
    assert found[double] == ("block", 1, "transformer/blocks[0:5]", ())
    assert found[f"{double}.attn"] == ("attention", 1, double, ())
    assert found[f"{double}.ff_context"] == ("feed_forward", 1, double, ())
    assert found[f"{single}.attn"] == ("attention", 4, single, (f"{single}.proj_out",))
    assert found[f"{single}.proj_mlp"] == ("feed_forward", 4, single, (f"{single}.proj_out",))
    assert found[f"{single}.proj_out"] == ("projection", 4, single, ())
    assert {c.id for c in tree if c.readers} == {
        f"transformer/single_transformer_blocks.{i}.{leaf}" for i in range(3) for leaf in ("attn", "proj_mlp")
    }


def test_ids_of_sd3(family):
    ids = {c.id.removeprefix("transformer/transformer_blocks.") for c in family("sd3").model.tree if c.is_leaf}
    leaves = {f"{i}.{leaf}" for i in range(4) for leaf in ("attn", "ff", "ff_context")} - {"3.ff_context"}
    assert ids == leaves | {"0.attn2", "1.attn2"}


def test_units_of_sd15_lie_in_the_right_deep_part(family):
    """A layer that feeds skip k on the way down, and one that reads skip k on the way up, lie in part k - 1."""
    tree = family("sd15").model.tree
    parents = {c.id.removeprefix("unet/"): c.parent for c in tree}
    # skip 0 is the input's; then level by level one layer and the change of resolution
    down = {"0.resnets.0": 0, "1.resnets.0": 2, "2.resnets.0": 4, "3.resnets.0": 6}
    for unit, depth in down.items():
        assert parents[f"down_blocks.{unit}"] == f"unet/deep[{depth}]"
    assert parents["mid_block.resnets.0"] == parents["mid_block.resnets.1"] == "unet/deep[7]"
    for level in range(4):
        for layer in range(2):
            reads = 7 - (2 * level + layer)
            above = f"unet/deep[{reads - 1}]" if reads else "unet"
            assert parents[f"up_blocks.{level}.resnets.{layer}"] == above
            if level:
                assert parents[f"up_blocks.{level}.attentions.{layer}.transformer_blocks.0"] == above
    for depth in range(1, 8):
        assert parents[f"deep[{depth}]"] == f"unet/deep[{depth - 1}]"
    assert parents["deep[0]"] == "unet"


def test_motion_modules_hold_their_blocks(family):
    tree = family("animatediff").model.tree
    for motion in tree.of_kind("motion"):
        (block,) = tree.children(motion.id)
        assert block.id == f"{motion.id}.transformer_blocks.0"
        kinds = Counter(leaf.kind for leaf in tree.children(block.id))
        assert kinds == {"attention": 2, "feed_forward": 1}


def test_a_bare_module_and_a_compiled_one(family):
    transformer = family("pixart").pipe.transformer
    (denoiser,) = discover(transformer).denoisers
    assert denoiser.name == "denoiser"
    assert denoiser.module is transformer
    (compiled,) = discover(torch.compile(transformer, backend="eager")).denoisers
    assert compiled.module is transformer


def test_a_model_is_indexed_by_name(family):
    model = family("wan22").model
    assert model["transformer_2"] is model.denoisers[1]
    with pytest.raises(KeyError):
        model["unet"]
