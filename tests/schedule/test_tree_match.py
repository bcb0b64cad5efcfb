"""A schedule is what the model's own tree makes of it; what a file says of components is believed in nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import Error, MismatchError
from evocache.schedule import COMPUTE, Component, Schedule, Tree, dumps, loads
from evocache.schedule.tree_match import match_tree
from tests.schedule.mutations import mutated
from tests.schedule.strategies import MODEST, dit, single, wishes

UNET = Tree(
    (
        Component("unet", "denoiser"),
        Component("unet/up.0", "block", 0, "unet"),
        Component("unet/up.0.attn", "attention", 0, "unet/up.0"),
        Component("unet/deep[0]", "deep", None, "unet"),
        Component("unet/mid", "block", 1, "unet/deep[0]"),
        Component("unet/mid.attn", "attention", 1, "unet/mid"),
        Component("unet/deep[1]", "deep", None, "unet/deep[0]"),
        Component("unet/low", "resnet", None, "unet/deep[1]"),
    )
)
MODELS = {
    "blocks": dit(3),
    "a span": dit(4).with_span("transformer", 0, 4),
    "two denoisers": Tree((*dit(2).components, *dit(2, denoiser="prior").components)).with_span("prior", 0, 2),
    "readers": single(),
    "deep parts": UNET,
}


@st.composite
def documents(draw):
    """A model's tree, a document of a schedule for it, and the same with something wrong."""
    own = MODELS[draw(st.sampled_from(sorted(MODELS)))]
    tree = own
    blocks = [c for c in own.of_kind("block") if c.denoiser == own.components[0].id]
    if draw(st.booleans()) and own is not UNET and len(blocks) > 1:
        tree = tree.with_span(own.components[0].id, 0, len(blocks) - 1)
    if draw(st.booleans()):
        tree = tree.with_guidance(own.components[0].id)
    document = json.loads(dumps(Schedule.repaired(*draw(wishes(tree, 4)))))
    return own, document, draw(mutated(document))


@MODEST
@given(documents())
def test_a_mutated_document_is_refused_or_the_same_schedule(found):
    own, honest, forged = found
    wanted = match_tree(loads(json.dumps(honest)), own)
    try:
        got = match_tree(loads(json.dumps(forged)), own)
    except Error:
        return
    assert got == wanted
    assert got.tree.components == wanted.tree.components
    assert (got.executed == wanted.executed).all()
    assert (got.read == wanted.read).all()


@MODEST
@given(st.sampled_from(sorted(MODELS)).flatmap(lambda name: wishes(MODELS[name], 4)))
def test_an_honest_schedule_is_taken_as_it_is(wish):
    schedule = Schedule.repaired(*wish)
    assert match_tree(schedule, schedule.tree) is schedule


def test_a_span_and_guidance_of_its_own_are_drawn_over_the_model_s_tree():
    own = dit(4).with_span("transformer", 0, 4)
    tree = own.with_guidance("transformer").with_span("transformer", 1, 3)
    schedule = Schedule.full(tree, 3)
    assert match_tree(schedule, own) is schedule
    assert tree.components != own.components


@pytest.mark.parametrize("field", ["readers", "block"])
def test_what_an_older_file_does_not_say_is_the_model_s(field):
    own = single()
    block = "transformer/single.0"
    orders = Schedule.full(own, 3).orders.copy()
    orders[1:, own.index[f"{block}.proj_out"]] = 0
    wanted = Schedule(own, orders)
    assert not wanted.executed[1:, own.index[f"{block}.attn"]].any()
    bare = Tree(tuple(replace(c, **{field: () if field == "readers" else None}) for c in own))
    got = match_tree(Schedule(bare, wanted.orders), own)
    assert got == wanted
    assert got.tree is own


def test_a_part_that_the_schedule_leaves_out_always_computes():
    own = dit(3).with_span("transformer", 0, 3)
    orders = Schedule.full(dit(3), 3).orders.copy()
    orders[1:, -1] = 0
    got = match_tree(Schedule(dit(3), orders, model={"transformer": "X"}).with_provenance("by hand"), own)
    assert got.tree is own
    assert (got.orders[:, own.index["transformer/blocks[0:3]"]] == COMPUTE.order).all()
    assert got.counts()["transformer/blocks.2.ff"] == 1
    assert (got.model, got.provenance.origin) == ({"transformer": "X"}, "by hand")


B = "transformer/blocks.1"
FORGERIES = {
    "readers": (f"{B}.attn1", {"readers": (f"{B}.ff",)}, f"{B}.attn1 read by {B}.ff alone"),
    "parent": (f"{B}.attn1", {"parent": "transformer/blocks.0"}, f"{B}.attn1 in transformer/blocks.0"),
    "no parent": (f"{B}.attn1", {"parent": None}, f"{B}.attn1 in None"),
    "kind": (f"{B}.ff", {"kind": "resnet"}, f"{B}.ff of kind resnet"),
    "block": (f"{B}.ff", {"block": 0}, f"{B}.ff in block 0"),
    "id": (f"{B}.ff", {"id": f"{B}.mlp"}, f"feed_forward {B}.mlp"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_the_first_difference_is_named(what):
    own = dit(2)
    id, change, told = FORGERIES[what]
    forged = Tree(tuple(replace(c, **change) if c.id == id else c for c in own))
    with pytest.raises(MismatchError) as caught:
        match_tree(Schedule.full(forged, 2), own)
    assert told in caught.value.given
    assert "as in the model" in caught.value.expected


@pytest.mark.parametrize("span", ["blocks[0:1]", "blocks[0:9]", "blocks[3:1]", "blocks[x:1]", "nonsense"])
def test_a_span_under_another_s_range_is_refused(span):
    own = dit(4).with_span("transformer", 0, 4)
    old, new = "transformer/blocks[0:4]", f"transformer/{span}"
    forged = Tree(
        tuple(replace(c, id=new if c.id == old else c.id, parent=new if c.parent == old else c.parent) for c in own)
    )
    with pytest.raises(MismatchError):
        match_tree(Schedule.full(forged, 2), own)


def test_a_model_with_fewer_components_is_another():
    with pytest.raises(MismatchError, match=r"blocks\.1"):
        match_tree(Schedule.full(dit(2), 2), dit(1))
    with pytest.raises(MismatchError, match=r"no block transformer/blocks\.1"):
        match_tree(Schedule.full(dit(1), 2), dit(2))
