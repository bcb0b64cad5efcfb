"""Moving schedules to other models: the same places do the same things."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import MismatchError
from evocache.policies import parse
from evocache.schedule import REUSE, Component, Provenance, Schedule, Tree, deep_id, dumps, loads, uniform
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from evocache.schedule.retarget import transfer
from tests.search.trees import stack

from .strategies import MODEST, dit, schedules, single, wishes


def renamed(tree: Tree, change) -> Tree:
    """The tree with other ids."""

    def of(id):
        return None if id is None else change(id)

    return Tree(
        tuple(Component(of(c.id), c.kind, c.block, of(c.parent), tuple(map(of, c.readers))) for c in tree.components)
    )


def column(schedule: Schedule, id: str) -> str:
    return "".join("CR123"[order + 1] for order in schedule.orders[:, schedule.tree.index[id]])


def two_stacks(doubles: int, singles: int) -> Tree:
    """Double blocks with two attentions, then single blocks, under one span, as in FLUX."""
    total = doubles + singles
    span = f"t/blocks[0:{total}]"
    out = [Component("t", "denoiser"), Component(span, "span", None, "t")]
    for i in range(total):
        leaves = ("attention", "feed_forward", "feed_forward") if i < doubles else ("attention", "projection")
        out.append(Component(f"t/b.{i}", "block", i, span))
        out += [Component(f"t/b.{i}.{j}", kind, i, f"t/b.{i}") for j, kind in enumerate(leaves)]
    return Tree(tuple(out))


def unet(deeps: int = 2, name: str = "unet") -> Tree:
    """A U-Net of nested deep parts with a resnet each."""
    out = [Component(name, "denoiser"), Component(f"{name}/down.0", "resnet", None, name)]
    for k in range(deeps):
        out.append(Component(deep_id(name, k), "deep", None, deep_id(name, k - 1) if k else name))
        out.append(Component(f"{name}/up.{k}", "resnet", None, deep_id(name, k)))
    return Tree(tuple(out))


@MODEST
@given(schedules())
def test_to_its_own_tree_a_schedule_is_itself(schedule):
    moved = schedule.retargeted(schedule.tree, depth=True)
    assert moved == schedule
    assert moved.executed.tolist() == schedule.executed.tolist()


def test_names_do_not_matter():
    tree = stack(3)
    other = renamed(tree, lambda id: id.replace("t", "unet", 1).replace("/b.", "/layers."))
    schedule = parse("fora:3").schedule(tree, 9)
    moved = schedule.retargeted(other, model={"unet": "Sigma"})
    assert moved.tree == other
    assert moved.orders.tolist() == schedule.orders.tolist()
    assert moved.gains.tolist() == schedule.gains.tolist()
    assert moved.model == {"unet": "Sigma"}
    assert moved.retargeted(tree) == schedule


def test_spans_that_were_drawn_move_along():
    drawn = stack(4).with_span("t", 1, 3)
    schedule = uniform(drawn, 6, ["t/blocks[1:3]"], [0, 4])
    moved = schedule.retargeted(stack(4))
    assert moved == schedule
    assert moved.tree == drawn
    bare = uniform(dit(2), 4, ["transformer/blocks.1"], [0, 2])
    spanned = dit(2).with_span("transformer", 0, 2)
    moved = bare.retargeted(spanned)
    assert column(moved, "transformer/blocks[0:2]") == "CCCC"
    assert column(moved, "transformer/blocks.1") == "CRCR"


def test_two_denoisers_are_matched_by_name_first():
    both = Tree((*dit(1).components, *dit(2, denoiser="prior").components))
    schedule = uniform(both, 4, ["prior/blocks.1.ff"], [0, 3])
    swapped = Tree((*dit(2, denoiser="prior").components, *dit(1, denoiser="dit").components))
    moved = schedule.retargeted(swapped)
    assert column(moved, "prior/blocks.1.ff") == "CRRC"
    assert moved.executed.sum() == schedule.executed.sum()
    with pytest.raises(MismatchError, match=r"transformer, prior.*one for transformer"):
        schedule.retargeted(dit(1))


def test_readers_are_part_of_the_form():
    block = "transformer/single.0"
    without = Tree(tuple(Component(c.id, c.kind, c.block, c.parent) for c in single()))
    schedule = uniform(single(), 4, [f"{block}.proj_out"], [0, 3])
    assert schedule.retargeted(single()) == schedule
    with pytest.raises(MismatchError, match="of other parts"):
        schedule.retargeted(without)


def test_another_depth_only_when_asked_for():
    schedule = uniform(stack(28), 10, [f"t/b.{i}.a" for i in range(14)], [0, 5])
    with pytest.raises(MismatchError, match=r"t with 28 parts.*one for t with 8 parts.*depth=True"):
        schedule.retargeted(stack(8))
    moved = schedule.retargeted(stack(8), depth=True)
    assert moved.tree == stack(8)
    assert [column(moved, f"t/b.{i}.a") for i in range(8)] == ["CRRRRCRRRR"] * 4 + ["C" * 10] * 4
    assert {column(moved, f"t/b.{i}.f") for i in range(8)} == {"C" * 10}


@MODEST
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_blocks_follow_those_at_the_same_relative_height(old, new, data):
    tree = dit(old)
    _, orders, gains = data.draw(wishes(tree, 4))
    schedule = Schedule.repaired(tree, orders, gains)
    moved = schedule.retargeted(dit(new), depth=True)
    for i in range(new):
        away = {j: abs(Fraction(2 * j + 1, old) - Fraction(2 * i + 1, new)) for j in range(old)}
        twin = max(j for j in range(old) if away[j] == min(away.values()))
        for leaf in ("", ".attn1", ".ff"):
            assert column(moved, f"transformer/blocks.{i}{leaf}") == column(
                schedule, f"transformer/blocks.{twin}{leaf}"
            )
    if new % old == 0:
        assert moved.executed_fraction() == pytest.approx(schedule.executed_fraction())


def test_stacks_of_different_blocks_stretch_each_on_its_own():
    tree, other = two_stacks(4, 8), two_stacks(2, 4)
    schedule = uniform(tree, 6, ["t/b.0", "t/b.1", "t/b.10", "t/b.11"], [0, 3])
    moved = schedule.retargeted(other, depth=True)
    assert [column(moved, f"t/b.{i}") for i in range(6)] == ["CRRCRR", "CCCCCC", "CCCCCC", "CCCCCC", "CCCCCC", "CRRCRR"]
    for wrong in (stack(4), two_stacks(4, 0), Tree(tuple(reversed_stacks()))):
        with pytest.raises(MismatchError, match="of other parts"):
            schedule.retargeted(wrong, depth=True)


def reversed_stacks() -> list[Component]:
    tree = two_stacks(1, 1)
    head, first, second = tree.components[:2], tree.components[2:6], tree.components[6:]
    return [*head, *second, *first]


def test_spans_stretch_with_their_blocks_and_may_fall_together_or_away():
    tree = stack(8)
    for first, last in ((0, 4), (0, 2), (4, 5)):
        tree = tree.with_span("t", first, last)
    orders = np.full((6, len(tree)), -1, dtype=np.int8)
    for span, steps in (("t/blocks[0:4]", [2]), ("t/blocks[0:2]", [2, 4]), ("t/blocks[4:5]", [1])):
        orders[steps, tree.index[span]] = REUSE.order
    moves = transfer(tree, stack(2), depth=True)
    names = [c.id for c in moves.tree]
    assert [n for n in names if "blocks[" in n] == ["t/blocks[0:2]", "t/blocks[0:1]"]
    moved = Schedule(tree, orders).retargeted(stack(2), depth=True)
    assert column(moved, "t/blocks[0:1]") == "CCRCCC"  # block 0 follows block 2, which only the outer span holds
    merged = Schedule(tree, orders).retargeted(stack(4), depth=True)
    assert column(merged, "t/blocks[0:2]") == "CCRCCC"
    assert column(merged, "t/blocks[0:1]") == "CCRCRC"
    nested = stack(4).with_span("t", 1, 4).with_span("t", 2, 4)
    orders = np.full((6, len(nested)), -1, dtype=np.int8)
    orders[2, nested.index["t/blocks[1:4]"]] = orders[4, nested.index["t/blocks[2:4]"]] = REUSE.order
    fallen = Schedule(nested, orders).retargeted(stack(1), depth=True)
    assert fallen.tree == stack(1)
    assert column(fallen, "t/blocks[0:1]") == "CCRCRC"


def test_deep_parts_move_by_their_depth_and_unets_do_not_stretch():
    schedule = uniform(unet(), 6, [deep_id("unet", 1)], [0, 3])
    moved = schedule.retargeted(unet(name="decoder"))
    assert column(moved, deep_id("decoder", 1)) == "CRRCRR"
    assert column(moved, deep_id("decoder", 0)) == "CCCCCC"
    with pytest.raises(MismatchError, match="evolve a schedule for this model"):
        schedule.retargeted(unet(3), depth=True)
    flat = Tree((Component("unet", "denoiser"), *(Component(f"unet/{n}", "resnet", None, "unet") for n in "abc")))
    with pytest.raises(MismatchError, match=r"unet/deep\[0\]"):
        schedule.retargeted(flat)


def test_what_was_measured_stays_behind_as_a_note():
    provenance = Provenance("fora:3", {"speedup": 2.0}, {"by": "hand"})
    schedule = Schedule.full(stack(2), 4, model={"t": "Alpha"}, provenance=provenance)
    moved = schedule.retargeted(stack(2), model={"t": "Sigma"})
    assert moved.provenance == Provenance(
        "fora:3", {}, {"by": "hand", "made for": "t: Alpha, 2 blocks, 4 steps; measured there: speedup 2"}
    )
    assert moved.retargeted(stack(2)).provenance == loads(dumps(moved)).provenance == moved.provenance
    again = moved.with_provenance(objectives={"speedup": 1.5}).retargeted(stack(2))
    assert again.provenance.notes["made for"] == "t: Sigma, 2 blocks, 4 steps; measured there: speedup 1.5"
    assert "measured" not in Schedule.full(stack(2), 4).retargeted(stack(2)).provenance.notes["made for"]


@pytest.mark.parametrize("name", ["pixart", "flux", "sd15"])
def test_a_pipelines_own_schedules_fit_it_after_the_move(family, name):
    import evocache

    tree = evocache.discover(family(name).pipe).tree
    schedule = parse("fora:2").schedule(tree, 6)
    assert schedule.retargeted(tree) == schedule
    names = {c.denoiser for c in tree}
    other = renamed(tree, lambda id: "other" + id if len(names) == 1 else id)
    assert schedule.retargeted(other).orders.tolist() == schedule.orders.tolist()


def test_a_front_of_another_class_name_and_depth_runs_in_a_pipeline(family):
    """Eight blocks of a bare transformer, evolved for 6 steps, serve a pipeline of four blocks with its own steps."""
    import evocache
    from tests.tiny.image_dit import pixart_transformer

    deep = pixart_transformer()
    deep.transformer_blocks.extend(pixart_transformer().transformer_blocks)
    schedule = parse("fora:2").schedule(evocache.discover(deep).tree, 6)
    front = Front((Point(schedule, {}, {"speedup": 1.9}),))
    sigma = family("pixart_sigma")
    point = front.retarget(sigma.pipe, depth=True).pick(speedup=1.9)
    assert point.schedule.tree == sigma.model.tree
    with evocache.apply(sigma.pipe, point) as handle:
        sigma.call()
        steps = handle.stats.schedule.steps
        assert dict(handle.stats.executed) == sigma.expected(lambda tree, steps: point.schedule.resampled(steps))
        assert handle.stats.executed[sigma.model.tree.components[-1].id] == -(-steps // 2)
