"""With modules in slices and features parked, a generation gives what it gives without, and holds what was promised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import _get_current_function_mode_stack

from evocache import apply
from evocache.errors import BudgetError
from evocache.memory import Tape
from evocache.memory.planner.footprint import Cut
from evocache.memory.planner.planner import MemoryPlan
from evocache.memory.rehearsal.rehearsal import rehearse, shadow
from evocache.memory.slicing.couplings import Shared
from evocache.memory.slicing.exact_slicings import slicings
from evocache.model.sliceable_units import find_units
from evocache.runtime import open_call
from evocache.runtime.survey.call_survey import survey
from tests.runtime.estimate.test_dry_run import given as given_to
from tests.runtime.support import random_schedule
from tests.tiny import KIND_OF

VIDEO = ["animatediff", "svd", "text_to_video_sd", "cogvideox", "wan", "hunyuan_video", "easyanimate", "ltx", "latte"]
VIDEO += ["mochi"]
OTHER = ["sd15", "flux", "pixart"]
LARGER = {name: {"height": 64, "width": 64} for name in ("mochi", "wan")}
"""Where there is more text than video, as hardly ever but in tests, slices of the video save nothing."""


def captured(one: Any) -> dict[str, tuple[tuple[Any, ...], dict[str, Any]]]:
    """What each denoiser is called with first."""
    calls: dict[str, Any] = {}
    hooks = [
        d.module.register_forward_pre_hook(
            lambda m, args, kwargs, name=d.name: calls.setdefault(name, (args, kwargs)) and None, with_kwargs=True
        )
        for d in one.model.denoisers
    ]
    one.call(**LARGER.get(one.name, {}))
    for hook in hooks:
        hook.remove()
    return calls


@pytest.fixture(scope="module")
def finest():
    """Cuts of a family's denoisers, as fine as the survey finds them worth."""
    known: dict[str, Any] = {}

    def get(one):
        if one.name not in known:
            calls = captured(one)
            known[one.name] = {d.name: survey(d, *calls[d.name]).cuts(0) for d in one.model.denoisers}
        return known[one.name]

    return get


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("name", [*VIDEO, *OTHER])
def test_slices_give_what_the_whole_gives(family, finest, name):
    one = family(name)
    cuts = finest(one)
    assert any(cuts.values()), "nothing of it is worth slicing"
    size = LARGER.get(name, {})
    for spec in ("none", "fora:2", "steps:0,2"):
        with apply(one.pipe, spec) as handle:
            whole = one.call(**size)
            executed = handle.stats.executed
        with apply(one.pipe, spec, memory=MemoryPlan(None, {}, cuts=cuts)) as handle:
            sliced = one.call(**size)
            assert handle.stats.executed == executed
            assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes
        assert float(np.abs(sliced - whole).max()) <= 2e-4 * max(float(np.abs(whole).max()), 1.0)
    assert not _get_current_function_mode_stack()
    assert np.array_equal(one.call(), one.reference)


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("name", ["cogvideox", "easyanimate", "mochi", "qwenimage", "sd3"])
def test_blocks_that_join_streams_are_cut_along_one_of_them(family, name):
    one = family(name)
    (denoiser,) = one.model.denoisers
    double = shadow(denoiser.module)
    blocks = {double.get_submodule(unit.path): unit.path for unit in find_units(denoiser)}
    cuts = {}
    for use in rehearse(double, *captured(one)[denoiser.name], [*blocks]).uses:
        ways = [way for way in slicings(use.module, use.args, use.kwargs) if way.shared is not Shared.NONE]
        cuts[blocks[use.module]] = Cut(ways[-1], 3)
    assert len(cuts) == one.tiny.blocks
    with apply(one.pipe, "none", memory=MemoryPlan(None, {}, cuts={denoiser.name: cuts})):
        sliced = one.call()
    assert float(np.abs(sliced - one.reference).max()) <= 2e-4


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("name", ["animatediff", "wan", "sd15", "flux"])
@pytest.mark.parametrize("spec", ["fora:3", "taylorseer:2,1"])
def test_what_is_parked_comes_back_to_the_bit(family, name, spec):
    one = family(name)
    with apply(one.pipe, spec) as handle:
        whole = one.call()
        branches = [*handle._latest.record.branches]
        peak = handle.stats.peak_cached_bytes
    features = {branch.denoiser: dict(branch.sizes) for branch in branches}
    for capacity, ahead in ((0, 0), (0, 2), (peak // 2, 1)):
        plan = MemoryPlan(None, {}, capacity=capacity, ahead=ahead, features=features)
        with apply(one.pipe, spec, memory=plan) as handle:
            parked = one.call()
            stats = handle.stats
        assert np.array_equal(parked, whole)
        if len(branches) == 1:
            (branch,) = branches
            sizes = features[branch.denoiser]
            tape = Tape.of(branch.schedule, sizes, tuple(sizes), capacity, ahead)
            assert stats.peak_cached_bytes == tape.peak
            assert stats.moved_bytes == tape.moved
        if capacity == ahead == 0:
            assert stats.peak_cached_bytes < peak
            assert stats.moved_bytes > 0


@pytest.mark.parametrize("seed", [3, 6, 9])
def test_a_deep_part_leaves_when_its_last_exit_is_called(family, seed):
    """All is moved as the tape says in the first step, too, which sees several exits of a deep part."""
    one = family("sd15")
    schedule = random_schedule(one.model.tree, 4, seed)
    with apply(one.pipe, schedule) as handle:
        whole = one.call()
        (branch,) = handle._latest.record.branches
    tape = Tape.of(branch.schedule, branch.sizes, tuple(branch.sizes), 0, 1)
    plan = MemoryPlan(None, {}, capacity=0, ahead=1, features={"unet": dict(branch.sizes)})
    with apply(one.pipe, schedule, memory=plan) as handle:
        assert np.array_equal(one.call(), whole)
        assert handle.stats.moved_bytes == tape.moved
        assert handle.stats.peak_cached_bytes == tape.peak


def test_a_piece_that_was_written_into_is_computed(family):
    """A host writes into what a leaf gave, between slices of the block in which it is forecast."""
    one = family("pixart")
    block = one.model.denoisers[0].module.transformer_blocks[1]
    several = {**given_to(one), "num_images_per_prompt": 4}
    with apply(one.pipe, "taylorseer:2,1", memory=0) as handle, pytest.raises(BudgetError) as refused:
        handle.plan(**several)
    with apply(one.pipe, "taylorseer:2,1", memory=refused.value.shortfall) as handle:
        plan = replace(handle.plan(**several), capacity=None)  # what is parked cannot be written into
    slices = plan.cuts["transformer"]["transformer_blocks.1"].slices

    def ran(spoilt: bool) -> tuple[dict[str, int], list[int]]:
        """What was executed, and in which slices the leaf was, counted from the first step on."""
        entered: list[int] = []
        given: list[torch.Tensor] = []
        computed: list[int] = []

        def enter(*_: Any) -> None:
            entered.append(1)
            if spoilt and len(entered) == 4 * slices - 1:  # of the fourth step, a forecast, one slice is left
                given[-1].add_(0)

        def leave(module: Any, args: Any, output: torch.Tensor) -> None:
            computed.append(len(entered))
            given.append(output)

        hooks = [block.norm1.register_forward_pre_hook(enter), block.ff.register_forward_hook(leave)]
        try:
            with apply(one.pipe, "taylorseer:2,1", memory=plan) as handle:
                one.pipe(**several)
        finally:
            for hook in hooks:
                hook.remove()
        return dict(handle.stats.executed), computed

    (plain, slice_by_slice), (more, and_the_last) = ran(False), ran(True)
    leaf = "transformer/transformer_blocks.1.ff"
    assert slice_by_slice == [*range(1, 3 * slices + 1)]
    assert and_the_last == [*slice_by_slice, 4 * slices]
    assert more == plain | {leaf: plain[leaf] + 1}


def test_slices_and_parking_together(family, finest):
    one = family("animatediff")
    spec = "deepcache:2,0"
    with apply(one.pipe, spec) as handle:
        whole = one.call()
        features = {branch.denoiser: dict(branch.sizes) for branch in handle._latest.record.branches}
    plan = MemoryPlan(None, {}, cuts=finest(one), capacity=0, ahead=1, features=features)
    with apply(one.pipe, spec, memory=plan):
        both = one.call()
    assert float(np.abs(both - whole).max()) <= 2e-4 * max(float(np.abs(whole).max()), 1.0)


def test_a_pipeline_that_is_moved_parks_elsewhere(family, monkeypatch):
    """Its former tier is closed as soon as no call has features there."""
    one = family("sd15")
    with apply(one.pipe, "fora:2", memory=MemoryPlan(None, {}, capacity=0)) as handle:
        one.call()
        former = handle._state.tiers.tier
        one.call()
        assert handle._state.tiers.tier is former
        with handle.generation() as open_yet:
            monkeypatch.setattr(open_call, "device_of", lambda pipe: torch.device("meta"))
            with handle.generation() as moved:
                assert moved.store.tier is handle._state.tiers.tier is not former
                assert not former._file.closed
            assert open_yet.store.tier is former
        assert former._file.closed
        assert not handle._state.tiers.tier._file.closed


def test_the_tier_is_given_back(family):
    one = family("sd15")
    handle = apply(one.pipe, "fora:2", memory=MemoryPlan(None, {}, capacity=0))
    one.call()
    tier = handle._state.tiers.tier
    handle.remove()
    assert handle._state.tiers.tier is None
    assert tier._file.closed
