"""Memory that is short: batches are split, requests begin anew under tighter plans, and then fail by themselves."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from evocache import apply, plan_memory
from evocache.errors import BudgetError, PipelineError
from evocache.runtime.estimate.residency import weights as weights_of
from evocache.runtime.joint.lane import Lane
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.isolation.own_pipeline import own_pipeline
from evocache.serve.engine.job import Job
from evocache.serve.engine.means import Means
from evocache.serve.engine.prepared import Prepared
from evocache.serve.engine.turns import batches
from evocache.serve.engine.turns.batches import Batches
from evocache.serve.engine.turns.known_plans import KnownPlans
from tests.serve.calls import PIXART, asked, difference


def own_plain(shared: Any, loras: object) -> Any:
    return own_pipeline(shared)


@pytest.mark.parametrize("what", ["none", "fora:2", "fastercache:2,0.5,0,2"])
@pytest.mark.parametrize("stage", ["encode", "denoise", "decode"])
def test_a_batch_that_memory_is_short_for_is_split(
    pipe: Any, monkeypatch: pytest.MonkeyPatch, stage: str, what: str
) -> None:
    """Four at once are too many, two are not; what four took and stored is given back."""
    whole, sizes = batches.compute_together, []

    def short(lanes: Any, given: Any, proven: Any) -> Any:
        outputs = whole(lanes, given, proven)
        if lanes[0].stage == stage:
            sizes.append(len(lanes))
            if len(lanes) > 2:
                raise torch.OutOfMemoryError("too little")
        return outputs

    with apply(pipe, what):
        expected = [pipe(**asked(pipe, seed=seed, steps=5)) for seed in range(4)]
    monkeypatch.setattr(batches, "compute_together", short)
    with Engine({"pixart": pipe}) as engine:
        jobs = [engine.submit(what=what, **asked(pipe, seed=seed, steps=5)) for seed in range(4)]
        for one, job in zip(expected, jobs, strict=True):
            assert difference(one, job.result(60)) < 1e-5
        assert engine.figures.split >= 1
        assert engine.figures.failed == 0
    assert 2 in sizes
    assert any("memory was short" in note for job in jobs for note in job.notes)


@pytest.mark.parametrize("failures", [1, 2, 3])
@pytest.mark.parametrize("stage", ["encode", "denoise", "decode"])
def test_a_call_that_memory_is_short_for_alone_begins_anew_under_tighter_plans(
    pipe: Any, monkeypatch: pytest.MonkeyPatch, stage: str, failures: int
) -> None:
    """Its generator is put back; a neighbour goes on; after two tighter plans it fails by itself."""
    expected = []
    for seed, what in enumerate(("fora:2", "none")):
        with apply(pipe, what):
            expected.append(pipe(**asked(pipe, seed=seed)))
    compute, left = Lane.compute, [failures]
    unlucky: list[Job] = []
    engine = Engine({"pixart": pipe})

    def short(lane: Lane) -> Any:
        output = compute(lane)
        here = [one.job for one in engine._loop.conductor._running if one.thread._thread is threading.current_thread()]
        if lane.stage == stage and left[0] and here == unlucky:
            left[0] -= 1
            raise torch.OutOfMemoryError("too little")
        return output

    monkeypatch.setattr(Lane, "compute", short)
    monkeypatch.setattr(Batches, "company", lambda self, first, others, most: [first])
    with engine:
        with engine._loop.change:  # so that none begins before it is known who is unlucky
            unlucky.append(engine.submit(what="fora:2", memory=None, **asked(pipe, seed=0)))
            other = engine.submit(**asked(pipe, seed=1))
        if failures > 2:
            with pytest.raises(torch.OutOfMemoryError):
                unlucky[0].result(60)
            assert unlucky[0].state == "failed"
        else:
            assert difference(expected[0], unlucky[0].result(60)) < 1e-5
        assert difference(expected[1], other.result(60)) < 1e-5
        assert engine.figures.tightened == min(failures, 2)
    assert not left[0]
    assert "began anew within" in unlucky[0].notes[0]
    assert not other.notes
    plan = unlucky[0].means.plan
    assert plan is not None
    assert plan.peak < plan_memory(pipe, asked(pipe), "fora:2").as_it_is.peak


def test_what_was_written_into_arguments_is_not_begun_anew(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = pipe(**asked(pipe, output_type="latent")).images
    compute = Lane.compute

    def short(lane: Lane) -> Any:
        if lane.stage == "decode":
            latents.zero_()
            raise torch.OutOfMemoryError("too little")
        return compute(lane)

    monkeypatch.setattr(Lane, "compute", short)
    with Engine({"pixart": pipe}) as engine, pytest.raises(torch.OutOfMemoryError):
        engine.submit(**asked(pipe), latents=latents).result(60)
    assert not engine.figures.tightened


def test_lists_and_dictionaries_are_what_they_were_for_a_call_made_anew(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pipelines and callbacks take things out of what they are given."""
    expected = pipe(**asked(pipe, num_images_per_prompt=1) | {"prompt": ["a fox", "a hen"]})
    compute, left, prompts = Lane.compute, [1], ["a fox", "a hen"]

    def short(lane: Lane) -> Any:
        if lane.stage == "decode" and left[0]:
            left[0] -= 1
            prompts.pop()
            raise torch.OutOfMemoryError("too little")
        return compute(lane)

    monkeypatch.setattr(Lane, "compute", short)
    with Engine({"pixart": pipe}) as engine:
        job = engine.submit(**asked(pipe) | {"prompt": prompts})
        assert difference(expected, job.result(60)) < 1e-5
        assert engine.figures.tightened == 1


def test_what_does_not_fit_as_it_is_is_run_under_a_plan(pipe: Any) -> None:
    """Between what it holds as it is and the least: in slices, features parked; below that it is refused, once."""
    given = asked(pipe)
    whole = plan_memory(pipe, given, "fora:2").as_it_is.peak
    with pytest.raises(BudgetError) as refused:
        plan_memory(pipe, given, "fora:2", whole // 100, offload=False)
    least = max(refused.value.least.values())
    assert least < whole
    with apply(pipe, "fora:2"):
        expected = pipe(**asked(pipe))
    with Engine({"pixart": pipe}, memory=least) as engine:
        jobs = [engine.submit(what="fora:2", **asked(pipe)) for _ in range(2)]
        assert all(difference(expected, job.result(60)) < 1e-5 for job in jobs)
        assert all(job.means.plan is not None and job.means.plan.peak <= least for job in jobs)
    with Engine({"pixart": pipe}, memory=least - 1) as engine:
        first, other = (engine.submit(what="fora:2", **asked(pipe)) for _ in range(2))
        for job in (first, other):
            with pytest.raises(BudgetError):
                job.result(60)


def test_a_request_has_a_budget_or_plan_of_its_own(pipe: Any) -> None:
    whole = plan_memory(pipe, asked(pipe), "fora:2").as_it_is
    with apply(pipe, "fora:2"):
        expected = pipe(**asked(pipe))
    plan = plan_memory(pipe, asked(pipe), "fora:2", (whole.peak * 9) // 10, offload=False).plan
    with Engine({"pixart": pipe}) as engine:
        own = engine.submit(what="fora:2", memory=plan, **asked(pipe))
        budget = engine.submit(what="fora:2", memory=f"{plan.budget}B", **asked(pipe))
        plain = engine.submit(what="fora:2", **asked(pipe))
        for job in (own, budget, plain):
            assert difference(expected, job.result(60)) < 1e-5
        assert own.means.plan is plan
        assert budget.means.plan is not None
        assert budget.means.plan.peak <= plan.budget
        assert plain.means.plan is None
        moving = replace(plan, offload={"vae": ("decode",)})
        with pytest.raises(PipelineError, match="offload=False"):
            engine.submit(memory=moving, **asked(pipe)).result(60)


def test_all_that_is_open_keeps_within_the_memory_that_is_given(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many requests: what those that are open keep, and what a batch computes with, is never more than there is."""
    means = [Means(asked(pipe), "fora:2", {}, None) for _ in range(2)]
    weights = sum(weights_of(pipe).values())
    needs = means[0].settle(
        pipe, partial(Prepared({"pixart": pipe}, {}).choose, "pixart"), 1 << 40, weights, KnownPlans(own_plain)
    )
    most = 3 * needs.kept + 2 * needs.computing
    with Engine({"pixart": pipe}, memory=weights + most) as engine:
        conductor, turn = engine._loop.conductor, engine._loop.conductor._computing.take_turn
        open, sizes = [], []

        def noting(chosen: Any, others: Any) -> None:
            kept = sum(one.job.means.needs.kept for one in conductor._running)
            assert kept + sum(one.job.means.needs.computing for one in chosen) <= most
            open.append(len(conductor._running))
            sizes.append(len(chosen))
            turn(chosen, others)

        monkeypatch.setattr(conductor._computing, "take_turn", noting)
        jobs = [engine.submit(what="fora:2", **asked(pipe, seed=seed)) for seed in range(6)]
        assert all(job.result(60) for job in jobs)
    assert max(open) >= 3
    assert max(sizes) >= 2


def test_plans_are_of_the_pipeline_as_it_is(pipe: Any) -> None:
    """Between requests it is loaded in another type, or set to slices: its weights and plans are counted anew."""
    own = PIXART.build()
    own.set_progress_bar_config(disable=True)
    given = asked(own, num_images_per_prompt=2)
    with Engine({"pixart": own}, memory="1GB") as engine:
        needs = []
        for change in (lambda: None, own.vae.enable_slicing, lambda: own.to(torch.bfloat16)):
            change()
            job = engine.submit(**given)
            job.result(60)
            needs.append(job.means.needs)
            expected = Means(given, "none", {}, None)
            choose = partial(Prepared({"pixart": own}, {}).choose, "pixart")
            assert needs[-1] == expected.settle(own, choose, 1 << 40, 0, KnownPlans(own_plain))
            assert engine._loop.conductor.budget._room.left == 10**9 - sum(weights_of(own).values())
    assert len(set(needs)) == 3
