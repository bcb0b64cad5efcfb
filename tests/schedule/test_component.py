"""Components and their tree."""

from __future__ import annotations

import numpy as np
import pytest

from evocache.errors import ScheduleError
from evocache.schedule import Component, Schedule, Tree, deep_depth, deep_id, span_id, span_range

from .strategies import dit, grid, single


def parents(tree: Tree) -> dict[str, str | None]:
    return {c.id.removeprefix("transformer/"): (c.parent or "").removeprefix("transformer/") or None for c in tree}


def test_a_component_knows_its_denoiser_and_whether_it_is_a_leaf():
    leaf, span = Component("unet/down.0.attn", "attention", 0), Component("unet/blocks[0:2]", "span")
    assert (leaf.denoiser, leaf.is_leaf) == ("unet", True)
    assert (span.denoiser, span.is_leaf) == ("unet", False)


@pytest.mark.parametrize(
    ("components", "given"),
    [
        ([Component("a", "denoiser"), Component("a", "denoiser")], "component 'a' twice"),
        ([Component("a", "layer")], "kind 'layer'"),
        ([Component("a/b", "block", 0, "a"), Component("a", "denoiser")], "parent 'a' of 'a/b'"),
        ([Component("a", "denoiser", readers=("b",))], "reader 'b' of 'a'"),
        ([Component("a", "denoiser", readers=("a",))], "a is read by itself"),
        (
            [
                Component("a", "denoiser"),
                Component("a/x", "attention", 0, "a", ("a/y",)),
                Component("a/y", "attention", 0, "a", ("a/x",)),
            ],
            "a/x is read by itself",
        ),
        (
            [Component("a", "denoiser", readers=("a/x",)), Component("a/x", "block", 0, "a")],
            "a is read by itself",
        ),
    ],
)
def test_what_is_no_tree_is_refused(components, given):
    with pytest.raises(ScheduleError) as caught:
        Tree(tuple(components))
    assert caught.value.given == given


def test_levels_come_after_parents_and_readers():
    tree = single()
    names = [[tree.components[i].id for i in level] for level in tree.levels]
    block = "transformer/single.0"
    assert names == [["transformer"], [block], [f"{block}.proj_out"], [f"{block}.attn", f"{block}.proj_mlp"]]


def test_readers_form_chains():
    head = [Component("n", "denoiser")]
    chain = [Component(f"n/{i}", "attention", 0, "n", (f"n/{i + 1}",) if i < 2 else ()) for i in range(3)]
    tree = Tree((*head, *chain))
    schedule = Schedule(tree, grid(tree, "CCC", "CCC", "CCR", "CRC"))
    assert schedule.executed.T.tolist() == [[True] * 3, [True, False, False], [True, False, False], [True, False, True]]


def test_structure_speaks_of_the_model_not_of_spans():
    tree = dit(3)
    assert tree.with_span("transformer", 0, 2).structure == tree.structure
    assert dit(2).structure != tree.structure
    assert tree.structure == "1b303baf7d564de1"


def test_kinds_and_children():
    tree = dit(2)
    assert [c.id for c in tree.of_kind("attention")] == ["transformer/blocks.0.attn1", "transformer/blocks.1.attn1"]
    assert [c.id for c in tree.children("transformer")] == ["transformer/blocks.0", "transformer/blocks.1"]
    assert tree.children("transformer/blocks.0.ff") == []


def test_a_span_takes_its_blocks():
    tree = dit(3, ("ff",)).with_span("transformer", 1, 3)
    assert list(parents(tree).items()) == [
        ("transformer", None),
        ("blocks.0", "transformer"),
        ("blocks.0.ff", "blocks.0"),
        ("blocks[1:3]", "transformer"),
        ("blocks.1", "blocks[1:3]"),
        ("blocks.1.ff", "blocks.1"),
        ("blocks.2", "blocks[1:3]"),
        ("blocks.2.ff", "blocks.2"),
    ]
    assert tree.with_span("transformer", 1, 3) is tree


@pytest.mark.parametrize("order", [[(0, 4), (1, 3), (1, 2)], [(1, 2), (1, 3), (0, 4)], [(1, 3), (0, 4), (1, 2)]])
def test_spans_nest_in_any_order_of_making(order):
    tree = dit(4, ())
    for first, last in order:
        tree = tree.with_span("transformer", first, last)
    assert list(parents(tree).items()) == [
        ("transformer", None),
        ("blocks[0:4]", "transformer"),
        ("blocks.0", "blocks[0:4]"),
        ("blocks[1:3]", "blocks[0:4]"),
        ("blocks[1:2]", "blocks[1:3]"),
        ("blocks.1", "blocks[1:2]"),
        ("blocks.2", "blocks[1:3]"),
        ("blocks.3", "blocks[0:4]"),
    ]


@pytest.mark.parametrize("pair", [((0, 2), (1, 3)), ((1, 3), (0, 2))])
def test_spans_do_not_cross(pair):
    tree = dit(4).with_span("transformer", *pair[0])
    with pytest.raises(ScheduleError, match="spans that nest"):
        tree.with_span("transformer", *pair[1])


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (0, 5), (2, 2), (3, 1)])
def test_spans_lie_within_the_model(first, last):
    with pytest.raises(ScheduleError, match=r"blocks in 0\.\.4"):
        dit(4).with_span("transformer", first, last)


def test_spans_keep_to_one_stack():
    deep = deep_id("unet", 0)
    tree = Tree(
        (
            Component("unet", "denoiser"),
            Component("unet/down.0", "block", 0, "unet"),
            Component(deep, "deep", None, "unet"),
            Component("unet/down.1", "block", 1, deep),
        )
    )
    with pytest.raises(ScheduleError, match="side by side"):
        tree.with_span("unet", 0, 2)
    assert tree.with_span("unet", 1, 2).components[3] == Component("unet/blocks[1:2]", "span", None, deep)


def test_ids_have_inverses():
    assert span_id("transformer", 3, 28) == "transformer/blocks[3:28]"
    assert span_range(span_id("transformer", 3, 28)) == (3, 28)
    assert deep_id("unet", 2) == "unet/deep[2]"
    assert deep_depth(deep_id("unet", 2)) == 2
    for bad in ("transformer/blocks.3", "transformer/blocks[3]", "transformer/blocks[a:b]"):
        with pytest.raises(ScheduleError, match="span id"):
            span_range(bad)
    with pytest.raises(ScheduleError, match="deep id"):
        deep_depth("unet/deep[x]")


def test_parents_cannot_be_changed():
    tree = dit(1)
    with pytest.raises(ValueError, match="read-only"):
        tree.parents[0] = 1
    assert np.array_equal(tree.parents, [-1, 0, 1, 1])
