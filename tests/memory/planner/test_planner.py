"""Plans: the fastest that fits, by brute force; else by how much the budget falls short."""

from __future__ import annotations

import pickle
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.errors import BudgetError
from evocache.memory.planner.footprint import BranchFootprint, CallPrint, Choice, Footprint, Stage, UnitPrint
from evocache.memory.planner.planner import AHEAD, Machine, plan, smallest
from evocache.memory.swapping.lifetimes import Life
from evocache.memory.swapping.swap_selection import swaps

MACHINE = Machine(link=10.0, launch=0.01, flop=0.5)


@st.composite
def choices(draw):
    """From the whole on, each with less surge and more operations."""
    surges = sorted(draw(st.sets(st.integers(0, 30), min_size=1, max_size=3)), reverse=True)
    operations = sorted(draw(st.sets(st.integers(1, 40), min_size=len(surges), max_size=len(surges))))
    return tuple(Choice({}, s, o) for s, o in zip(surges, operations, strict=True))


@st.composite
def footprints(draw):
    units = st.builds(UnitPrint, st.just("u"), st.integers(0, 20), choices())
    prints = st.builds(CallPrint, st.integers(0, 15), st.lists(units, max_size=3).map(tuple))
    life = st.builds(
        Life, st.just(3), st.sets(st.integers(0, 12), min_size=2, max_size=4).map(lambda s: tuple(sorted(s)))
    )
    return Footprint(
        {name: draw(st.integers(0, 20)) for name in ("text", "unet", "vae", "idle", "stuck")},
        draw(st.integers(0, 3)),
        Stage(("text", "vae") if draw(st.booleans()) else ("text",), draw(choices())),
        {"unet": draw(prints)},
        Stage(("vae",), draw(choices())),
        draw(st.integers(1, 4)),
        draw(st.floats(0, 4)),
        tuple(BranchFootprint(tuple(lives)) for lives in draw(st.lists(st.lists(life, max_size=3), max_size=2))),
        offloadable=("text", "unet", "vae", "idle"),
    )


def tried(footprint, budget):
    """Seconds of every plan that fits."""
    print_ = footprint.denoise["unet"]
    stages = {"encode": footprint.encode.weights, "denoise": ("unet",), "decode": ("vae",)}
    comes = {"text": 1, "unet": 1, "vae": 2 if "vae" in stages["encode"] else 1, "idle": 0}
    for away, before, after, limit in product(
        ((), ("idle",), tuple(comes)), footprint.encode.choices, footprint.decode.choices, print_.limits()
    ):
        resident = {
            stage: footprint.held + sum(b for n, b in footprint.weights.items() if n not in away or n in needed)
            for stage, needed in stages.items()
        }
        room = budget - resident["denoise"] - print_.peak(limit)
        share = room // max(len(footprint.branches), 1)
        parked = [swaps(branch.lives, 1 << 62, AHEAD) for branch in footprint.branches]
        if sum(p.peak for p in parked) > room:
            parked = [swaps(branch.lives, share, AHEAD) for branch in footprint.branches]
            if any(p.peak > share for p in parked):
                continue
        if resident["encode"] + before.surge <= budget and resident["decode"] + after.surge <= budget and share >= 0:
            operations = before.operations - footprint.encode.choices[0].operations
            operations += after.operations - footprint.decode.choices[0].operations
            added = (u.within(limit).operations - u.choices[0].operations for u in print_.units)
            operations += footprint.calls * sum(added)
            moved = sum(p.moved for p in parked)
            yield (
                sum(footprint.weights[name] * comes[name] for name in away) / MACHINE.link
                + operations * MACHINE.launch
                + max(moved / MACHINE.link - footprint.work * MACHINE.flop, 0)
            )


@settings(deadline=None, max_examples=300)
@given(footprint=footprints(), budget=st.integers(0, 120))
def test_no_plan_that_fits_is_faster(footprint, budget):
    expected = min(tried(footprint, budget), default=None)
    if expected is None:
        with pytest.raises(BudgetError) as caught:
            plan(footprint, budget, MACHINE)
        enough = budget + caught.value.shortfall
        assert plan(footprint, enough, MACHINE).peak <= enough
        with pytest.raises(BudgetError):
            plan(footprint, enough - 1, MACHINE)
    else:
        found = plan(footprint, budget, MACHINE)
        assert found.seconds == pytest.approx(expected)
        assert found.peak <= budget


@settings(deadline=None, max_examples=100)
@given(footprint=footprints())
def test_without_a_budget_all_is_as_it_is(footprint):
    whole = plan(footprint, None, MACHINE)
    assert not whole.offload
    assert not whole.cuts
    assert whole.seconds == 0
    assert plan(footprint, whole.peak, MACHINE).seconds == 0
    assert smallest(footprint, MACHINE).peak <= whole.peak


def test_what_no_stage_needs_leaves_first():
    whole = (Choice({}, 4, 1),)
    sizes = {"text": 3, "unet": 8, "vae": 2, "motion_adapter": 5}
    footprint = Footprint(sizes, 0, Stage(("text",), whole), {"unet": CallPrint(4, ())}, Stage(("vae",), whole), 2, 0.0)
    assert plan(footprint, 22, MACHINE).offload == {}
    found = plan(footprint, 21, MACHINE)
    assert (found.offload, found.peak, found.seconds) == ({"motion_adapter": ()}, 17, 0.0)
    found = plan(footprint, 16, MACHINE)
    assert found.offload == {"text": ("encode",), "unet": ("denoise",), "vae": ("decode",), "motion_adapter": ()}
    assert (found.peak, found.seconds) == (12, pytest.approx(13 / MACHINE.link))


def test_what_is_missing_is_said():
    error = BudgetError(5_000_000_000, {"denoise": 7_250_000_000, "decode": 6_000_000_000})
    assert error.shortfall == 2_250_000_000
    assert "5.000 GB" in str(error)
    assert "7.250 GB, which denoise takes" in str(error)
    assert pickle.loads(pickle.dumps(error)).shortfall == error.shortfall
