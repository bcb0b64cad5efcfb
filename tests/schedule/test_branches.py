"""Guidance in a schedule: what a step's first call does and what the others, cost, memory, files, other models."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import CodecError, ScheduleError
from evocache.schedule import REUSE, Component, Schedule, Tree, dumps, guidance_id, loads
from evocache.schedule.io.ecad import dumps_ecad
from evocache.schedule.liveness import compute_peak_bytes, find_reads

from .strategies import MODEST, dit, grid, schedules

GUIDED = dit(1).with_guidance("transformer")
ROOT, GUIDANCE, BLOCK, ATTN, FF = (c.id for c in GUIDED)


def example() -> Schedule:
    """Guidance is computed at steps 0, 1 and 4 of 6."""
    return Schedule(GUIDED, grid(GUIDED, "CCCCCC", "CCR1CR", "CCCCCC", "CCCCRR", "CRCRCR"))


def letters(schedule: Schedule, id: str) -> str:
    """What a component does: computes, reads (the order), or nothing."""
    column = schedule.tree.index[id]
    cells = zip(schedule.executed[:, column], schedule.read[:, column], schedule.orders[:, column], strict=True)
    return "".join("C" if runs else str(order) if reads_ else "." for runs, reads_, order in cells)


def test_guidance_is_drawn_over_a_tree():
    assert guidance_id(ROOT) == GUIDANCE == "transformer/guidance"
    assert GUIDED.components[1] == Component("transformer/guidance", "guidance", None, "transformer")
    assert GUIDED.structure == dit(1).structure
    assert GUIDED.with_guidance("transformer") is GUIDED
    with pytest.raises(ScheduleError, match=r"guidance of 'unet'.*transformer"):
        GUIDED.with_guidance("unet")


def test_the_first_call_does_what_is_said_without_guidance():
    first = example().of_branch(0)
    assert first == Schedule(dit(1), grid(dit(1), "CCCCCC", "CCCCCC", "CCCCRR", "CRCRCR"))
    assert first.of_branch(0) is first.of_branch(1) is first


def test_the_others_run_nothing_where_they_are_made_from_the_first():
    others = example().of_branch(1)
    assert [letters(others, id) for id in (GUIDANCE, ROOT, BLOCK)] == ["CC01C0", "CC..C.", "CC..C."]
    assert (letters(others, ATTN), letters(others, FF)) == ("CC..0.", "C0..C.")
    attention = others.tree.index[ATTN]
    assert find_reads(others)[4, attention] == (1,)  # at steps 2 and 3 the first call computed it
    assert find_reads(example().of_branch(0))[4, GUIDED.index[ATTN] - 1] == (3,)
    assert others.of_branch(1) is others


def test_what_was_never_computed_there_is_computed():
    tree = GUIDED
    schedule = Schedule(tree, grid(tree, "CCCC", "CRRC", "CCCC", "CCCC", "CCCC"))
    assert letters(schedule.starting_at(1).of_branch(1), GUIDANCE) == "C0C"


def test_a_denoiser_that_is_reused_is_reused_by_all_calls():
    schedule = Schedule(GUIDED, grid(GUIDED, "CCRC", "CCRR", "CCRC", "CCRC", "CCRC"))
    others = schedule.of_branch(1)
    assert letters(schedule, GUIDANCE) == "CC.0"
    assert (letters(others, GUIDANCE), letters(others, ROOT)) == ("CCC0", "CC0.")


def test_the_cost_is_the_mean_of_the_calls():
    computed = Schedule(GUIDED, grid(GUIDED, "CCCCCC", "CRRCRR", "CCCCCC", "CCCCCC", "CCCCCC"))
    assert computed.executed_fraction() == (6 + 2) / 12
    assert computed.cost({FF: 3.0}) == 3.0 * (6 + 2) / 2
    assert "67%" in repr(computed)
    assert Schedule.full(GUIDED, 6).executed_fraction() == 1
    first, others = (example().of_branch(i).executed_fraction() for i in range(2))
    assert (first, others) == (7 / 12, 4 / 12)
    assert example().executed_fraction() == pytest.approx((first + others) / 2)


def test_what_is_held_is_that_of_both_calls():
    """The first stores attention from step 3 to 5 and the other layer; the others the difference as well."""
    sizes = {ATTN: 8, FF: 1, GUIDANCE: 64}
    first, others = (compute_peak_bytes(example().of_branch(i), sizes) for i in range(2))
    assert (first, others) == (9, 64 * 2 + 9)
    assert compute_peak_bytes(example(), [sizes, sizes]) <= first + others
    assert compute_peak_bytes(example(), sizes) == first


def test_files_say_version_2_only_where_guidance_is():
    schedule = example()
    document = json.loads(dumps(schedule))
    assert document["version"] == 2
    assert document["actions"][GUIDANCE] == "CCR1CR"
    assert loads(dumps(schedule)) == schedule
    assert loads(dumps(schedule)).tree == schedule.tree
    assert json.loads(dumps(schedule.of_branch(0)))["version"] == 1
    with pytest.raises(CodecError, match="guidance in version 1"):
        loads(json.dumps({**document, "version": 1}))


def test_it_moves_to_other_numbers_of_steps_and_other_models():
    twice = example().resampled(12)
    assert twice.executed[:, 1].sum() == 6
    other = dit(1, denoiser="dit")
    moved = example().retargeted(other)
    assert [c.id for c in moved.tree][:2] == ["dit", "dit/guidance"]
    assert np.array_equal(moved.orders, example().orders)
    assert moved.of_denoiser("dit") == moved


@MODEST
@given(schedules(), st.data())
def test_branches_of_any_schedule(schedule, data):
    """Where guidance is read nothing below it runs; where it never is, all calls do the same."""
    root = schedule.components[0].id
    tree = schedule.tree.with_guidance(root)
    column = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=schedule.steps, max_size=schedule.steps)))
    orders, gains = (np.insert(cells, 1, column, axis=1) for cells in (schedule.orders, schedule.gains))
    guided = Schedule.repaired(tree, orders, gains)
    first, others = (guided.of_branch(i) for i in range(2))
    assert first == schedule
    read = guided.read[:, 1]
    inside = [i for i, c in enumerate(others.tree) if c.denoiser == root]
    assert not others.executed[np.ix_(read, inside)].any()
    assert others.read[read, others.tree.index[guidance_id(root)]].all()
    if not read.any():
        assert not guided.reuses_guidance
        assert {**others.counts(), guidance_id(root): 0} == {**first.counts(), guidance_id(root): 0}
    assert guided.of_denoiser(root).of_branch(1) == others.of_denoiser(root)
    assert loads(dumps(guided)) == guided


def test_two_denoisers_are_guided_apart():
    two = Tree((*dit(1).components, *dit(1, denoiser="second").components))
    tree = two.with_guidance("second")
    orders = np.full((3, len(tree)), -1)
    orders[1:, tree.index["second/guidance"]] = REUSE.order
    schedule = Schedule(tree, orders)
    assert schedule.of_branch(1).executed.sum(axis=0).tolist() == [3] * 4 + [1] * 5
    assert not schedule.of_denoiser("transformer").reuses_guidance
    assert schedule.of_denoiser("second").of_branch(1) == schedule.of_branch(1).of_denoiser("second")


def test_ecad_cannot_say_it():
    with pytest.raises(ScheduleError):
        dumps_ecad(example())
