"""Structures that are easily mistaken, counted by hand in small models without weights."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from evocache import discover
from tests.matrix import RECIPES

KINDS = {
    # its attention is told the width of its keys, as cross-attention is elsewhere
    "OmniGenTransformer2DModel": {"attention": 2},
    # cross-attention also reads the keys of a picture, as joint attention does elsewhere
    "WanTransformer3DModel": {"attention": 2, "cross_attention": 2},
    # three of its four levels attend to themselves once and to the prompt twice, down and up
    "Kandinsky3UNet": {"attention": 6, "cross_attention": 12, "feed_forward": 18, "block": 18, "deep": 3},
    # each of 6 layers attends to itself (twice in one of three blocks), to one prompt and to another
    "AudioLDM2UNet2DConditionModel": {"attention": 24, "cross_attention": 12, "block": 18, "deep": 6},
    # two blocks; five perceiver layers that read a face, of an attention and a feed-forward network each, and two more
    # attention layers between the blocks
    "ConsisIDTransformer3DModel": {"block": 2, "attention": 2 + 5, "feed_forward": 2 + 5, "cross_attention": 2},
    # text, picture and reference in two blocks each, then two for all
    "Flux3Transformer2DModel": {"block": 8, "attention": 8, "feed_forward": 8, "span": 1},
    # two levels of two layers down and up, the second of which attends; a third of the blocks only tell the time
    "StableCascadeUNet": {"block": 20, "attention": 4, "feed_forward": 8, "span": 1},
    # two blocks in, one in the middle, two out behind a projection of a skip connection each
    "UniDiffuserModel": {"block": 7, "attention": 5, "feed_forward": 5, "projection": 2, "span": 1},
    # a module's name that sounds like modulation does not make a block that attends one
    "ErnieImageTransformer2DModel": {"block": 2, "attention": 2, "feed_forward": 2},
    # three blocks of its own; two on the way down and two on the way up, which cross-attend twice each
    "UVit2DModel": {"block": 7, "span": 1, "feed_forward": 3},
    # six of the first level's layers, six of the second's; each stage takes one skip connection in
    "UNet1DModel": {"resnet": 24, "attention": 12, "deep": 3},
}


def tree_of(name):
    """Components of a class, built without weights."""
    recipe = RECIPES[name]
    with torch.device("meta"):
        return discover(recipe.denoiser(**recipe.config)).tree


@pytest.mark.parametrize("name", KINDS)
def test_kinds(name):
    found = Counter(c.kind for c in tree_of(name))
    assert {kind: found[kind] for kind in KINDS[name]} == KINDS[name]


def test_stacks_in_a_dictionary_lie_in_the_span():
    tree = tree_of("Flux3Transformer2DModel")
    assert {c.parent for c in tree.of_kind("block")} == {"denoiser/blocks[0:8]"}


def test_a_refiner_of_text_lies_beside_the_span():
    tree = tree_of("HunyuanVideoTransformer3DModel")
    refiner = [c for c in tree.of_kind("block") if "refiner" in c.id]
    assert [(c.block, c.parent) for c in refiner] == [(None, "denoiser")] * 2
    assert len(tree.of_kind("block")) == 2 + 4


def test_ids_are_unique_where_attention_lies_between_blocks():
    tree = tree_of("WanAnimateTransformer3DModel")
    between = [c for c in tree if "face_adapter" in c.id]
    assert [(c.kind, c.block, c.parent) for c in between] == [("cross_attention", None, "denoiser")] * 2
