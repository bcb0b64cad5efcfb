"""Memory evolved with the schedule, on a real tiny pipeline: a front that keeps a limit, measured and applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evocache import apply, evolve_run
from evocache.errors import BudgetError, PolicyError, RunError
from evocache.evolve_run import evolve
from evocache.memory.planner.planner import Machine, MemoryPlan
from evocache.model import discover
from evocache.policies import parse
from evocache.runtime import Handle
from evocache.runtime.estimate.measure import measure
from evocache.runtime.handle import handle_of
from evocache.schedule import Schedule
from evocache.schedule.front.front import Front
from evocache.search.calibrate.calibrate import calibrate, limit_to_whole
from evocache.search.calibrate.schedule_timing import time_schedules
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.search.objectives import choose_limited
from evocache.search.optimise.job import Failure, Job
from evocache.search.optimise.settings import Settings
from evocache.search.run import JOURNAL
from evocache.validation.contender import Contender
from evocache.validation.contender_trial import ContenderTrial
from evocache.validation.contenders import Field
from evocache.validation.proof_file import read_proof
from tests.conftest import hasten
from tests.test_evolve_run import CALL, PROMPTS

SMALL = Settings(population=6, offspring=4, generations=1, prompts=2, rungs=(1,), polish=0)
LATENT = {**CALL, "output_type": "latent"}
"""A call that decodes nothing: of this tiny pipeline, decoding holds most, and cannot be sliced."""

LIMIT = 1_050_000
"""Bytes; the uncached generation holds more as it is."""


@pytest.fixture(scope="module")
def pipe() -> Any:
    from tests.tiny import FAMILIES

    return FAMILIES["pixart"].build()


def evolved(pipe: Any, out: Path, **others: Any) -> Front:
    given = {"call": LATENT, "settings": SMALL, "batch": 2, "least_steps": 6, "storages": ("none", "int8")}
    given["budget_seconds"] = 30.0
    return evolve(pipe, PROMPTS[:2], out=out, **{**given, **others})


@pytest.fixture(scope="module")
def run(pipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a limit that the uncached generation breaks as it is."""
    out = tmp_path_factory.mktemp("peak")
    with pytest.MonkeyPatch.context() as patch:
        hasten(patch.setattr)
        evolved(pipe, out, objectives=("latency", "peak"), max_memory=LIMIT)
    return out


def test_a_front_keeps_a_limit_on_both_sides_of_the_trade_off(run: Path) -> None:
    proof = read_proof(run)
    lines = [json.loads(line) for line in (run / JOURNAL).read_text().splitlines()]
    assert lines[0]["run"]["objectives"] == ["latency", "peak"]
    assert lines[0]["run"]["settings"]["limits"] == {"peak": float(LIMIT)}
    assert {line.get("storage", "none") for line in lines if line["kind"] == "eval"} == {"none", "int8"}
    assert proof.basis.timed == 2
    # what it is held against is kept within the limit, too: it could not be measured elsewhere
    assert all(baseline.measured["peak"] < 1.01 * LIMIT for baseline in proof.baselines.values())
    by_peak = sorted(proof.front, key=lambda point: point.objectives["peak"])
    small, large = by_peak[0].objectives, by_peak[-1].objectives
    assert small["peak"] < large["peak"]
    assert small["latency"] > large["latency"] or small["error"] > large["error"]
    for point in proof.front:
        figures = point.measured
        assert figures["predicted peak"] == point.objectives["peak"] <= LIMIT
        # what features and activations hold when most is held need not be at one time
        assert 0.9 * figures["predicted peak"] < figures["peak"] < 1.01 * figures["predicted peak"]
    assert Front.load(run) == proof.front
    assert proof.front.pick(memory=LIMIT * 1.01) in proof.front.points


def test_it_is_gone_on_with_at_the_same_prices(pipe: Any, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch.setattr)  # as the run was begun
    before, known = (run / JOURNAL).read_text(), (run / "calibration.json").read_bytes()
    proven: list[Field] = []
    batches: list[int] = []

    def prove(*given: Any, **_: Any) -> Any:
        batches.append(given[2].batch)
        proven.append(given[3])
        return read_proof(run)

    monkeypatch.setattr(evolve_run, "validate", prove)
    evolved(pipe, run, objectives=("latency", "peak"), max_memory=LIMIT, batch=16, held_out=PROMPTS)
    assert batches == [2]  # no call has more prompts than that of the limit, however many are held out
    assert (run / JOURNAL).read_text() == before
    assert (run / "calibration.json").read_bytes() == known
    again = {(p.schedule, p.storage, p.budget, *p.objectives.values()) for p in proven[0].front}
    assert {(p.schedule, p.storage, p.budget, *p.objectives.values()) for p in Front.load(run)} <= again
    with pytest.raises(RunError, match="storages is"):
        evolved(pipe, run, objectives=("latency", "peak"), max_memory=LIMIT, storages=("none", "int8", "bf16"))


def test_a_point_is_applied_with_its_storage_and_budget(pipe: Any, run: Path) -> None:
    point = min(Front.load(run), key=lambda point: point.objectives["peak"])
    given = {**LATENT, "prompt": PROMPTS[:2]}
    with apply(pipe, point) as handle:
        handle.plan(**given)  # what planning holds itself is not to be counted
        held = measure(pipe, handle.model, lambda: pipe(**given))
        assert handle.storage == point.storage
        assert handle.memory is not None
        assert handle.memory.budget == point.budget
        assert handle.memory.peak == point.objectives["peak"]
        assert max(stage.bytes for stage in held.values()) <= 1.01 * LIMIT
    with apply(pipe, point, memory="1GB", storage="none") as handle:  # what is given goes before
        assert (handle.budget, handle.storage) == (10**9, "none")
    with apply(pipe, point, memory=0), pytest.raises(BudgetError):
        pipe(**given)


def test_what_does_not_go_together_is_refused(pipe: Any, tmp_path: Path) -> None:
    for objectives, message in ((("memory", "peak"), "one of them"), (("speed",), "latency, macs, memory, peak")):
        with pytest.raises(RunError, match=message):
            evolved(pipe, tmp_path, objectives=objectives)
    with pytest.raises(PolicyError, match="storage 'int4'"):
        evolved(pipe, tmp_path, objectives=("peak",), storages=("int4",))


def test_a_limit_is_of_the_peak_unless_cached_features_are_searched() -> None:
    assert choose_limited(("macs",)) == "peak"
    assert choose_limited(("latency", "memory")) == "memory"


def holding(pipe: Any, evaluator: LocalEvaluator, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that each generation of an evaluator holds when most is held, as they come."""
    found: list[int] = []
    generate = evaluator.generate

    def weighed(numbers: Any, **changes: Any) -> Any:
        out: list[Any] = []
        held = measure(pipe, discover(pipe), lambda: out.append(generate(numbers, **changes)))
        found.append(max(stage.bytes for stage in held.values()))
        return out.pop()

    monkeypatch.setattr(evaluator, "generate", weighed)
    return found


def test_evaluations_keep_a_limit_and_change_nothing(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workload, limit = Workload.of(PROMPTS[:2], LATENT, batch=2), 1_110_000
    free, bound = (LocalEvaluator(pipe, workload, quality("latent"), most) for most in (None, limit))
    as_it_is, within = (holding(pipe, evaluator, monkeypatch) for evaluator in (free, bound))
    specs = ("fora:2", "fora:3", "steps:0,1,3", "taylorseer:3")
    expected, found = [], []
    for answers, evaluator in ((expected, free), (found, bound)):
        evaluator.references([0, 1])
        schedules = [parse(spec).schedule(evaluator.tree, evaluator.steps) for spec in specs]
        jobs = [Job(schedule, (0, 1), storage="none") for schedule in schedules]
        answers += [answer for _, answer in evaluator.evaluate(jobs)]
    assert min(as_it_is) > limit  # the uncached generation, too
    assert max(within) <= limit
    assert found[:3] == [pytest.approx(errors, rel=1e-3) for errors in expected[:3]]
    assert found[3] == Failure("BudgetError: a memory budget of 1.110 MB")  # no plan keeps it: it was not generated
    assert (len(as_it_is), len(within)) == (5, 4)


def test_components_are_measured_on_as_many_prompts_as_run_whole(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = LocalEvaluator(pipe, Workload.of(PROMPTS[:2], LATENT, batch=2), quality("latent"), LIMIT)
    held = holding(pipe, evaluator, monkeypatch)
    assert limit_to_whole(evaluator, [0, 1]) == ([0], True)
    found = calibrate(evaluator, [0, 1], repeats=1, schedules=(2, 1), rounds=1)
    assert max(held[1:]) <= LIMIT  # the first is looked into, which holds what is looked at
    whole = LocalEvaluator(pipe, Workload.of(PROMPTS[:2], LATENT, batch=2), quality("latent"))
    expected = calibrate(whole, [0, 1], repeats=1, schedules=(0, 0))
    assert found.costs.flops == expected.costs.flops
    assert found.costs.sizes == expected.costs.sizes
    with evaluator.applied("none", [0]) as handle:
        assert handle.memory is not None
        evaluator.within = handle.memory.peak - 1  # not even one prompt keeps it without slices
    assert limit_to_whole(evaluator, [0, 1]) == ([0], False)


def test_a_limit_that_nothing_keeps_is_refused_before_anything_is_computed(pipe: Any, tmp_path: Path) -> None:
    calls: list[object] = []
    hook = pipe.transformer.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        with pytest.raises(BudgetError) as caught:
            evolved(pipe, tmp_path, max_memory=500_000)
    finally:
        hook.remove()
    assert caught.value.shortfall > 0
    assert not calls
    assert not (tmp_path / JOURNAL).exists()


def test_pictures_keep_the_limit_in_calls_of_a_batch(pipe: Any) -> None:
    """What fits in a call of two prompts is shown for four; a limit that decoding breaks is said."""
    held = Workload.of(PROMPTS, CALL, batch=2)
    trial = ContenderTrial(pipe, quality("latent"), held, 1_050_000)  # four in a call hold 1.2 MB at the least
    assert trial.decode_pictures([], 4, lambda _: None)["uncached"].shape == (4, 32, 32, 3)
    with pytest.raises(BudgetError):
        # of two prompts, latents can be kept within it, pictures cannot
        ContenderTrial(pipe, quality("latent"), held, 1_000_000).decode_pictures([], 4, lambda _: None)


def test_generations_that_only_decode_in_slices_are_timed_so(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = LocalEvaluator(pipe, Workload.of(PROMPTS[:2], CALL, batch=2), quality("psnr"), 1_116_500)
    evaluator.uncached([0, 1])
    full, plans = Schedule.full(evaluator.tree, evaluator.steps), []
    assert evaluator.fits(full, [0, 1])
    generate = evaluator.generate

    def noting(numbers: Any, **changes: Any) -> Any:
        plans.append(handle_of(pipe).memory)
        return generate(numbers, **changes)

    monkeypatch.setattr(evaluator, "generate", noting)
    time_schedules(evaluator, [full], [0, 1], rounds=1)
    assert len(plans) >= 3
    assert all(plan.peak <= evaluator.within and plan.seconds > 0 for plan in plans)
    time_schedules(evaluator, [full], [0, 1], rounds=1, planned=False)
    assert plans[-1] is None


def test_a_proof_plans_once_for_every_size_of_a_batch(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = ContenderTrial(pipe, quality("latent"), Workload.of(PROMPTS, LATENT, batch=2), LIMIT)
    planned: list[object] = []
    plan = Handle.plan
    monkeypatch.setattr(Handle, "plan", lambda self, **given: planned.append(1) or plan(self, **given))
    fewer = Contender("3 steps", "steps", 0.5, steps=3)
    figures = trial.measure_quality([fewer], 4, lambda _: None)  # two batches, and references of the second
    assert figures.keys() == {"uncached", "3 steps"}
    assert len(planned) == 1  # uncached calls of one and of two prompts were planned before


def test_a_limit_is_planned_for_once_by_the_machine_that_is_known(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = Workload.of(PROMPTS, LATENT, batch=2)
    evaluator = LocalEvaluator(pipe, workload, quality("latent"), 1_110_000, Machine())
    planned: list[object] = []
    plan = Handle.plan
    monkeypatch.setattr(Handle, "plan", lambda self, **given: planned.append(1) or plan(self, **given))
    evaluator.references(range(4))  # two batches
    assert len(planned) == 1
    fora = parse("fora:2").schedule(evaluator.tree, evaluator.steps)

    def plans() -> list[MemoryPlan | None]:
        found = []
        for what in ("none", fora):
            with evaluator.applied(what, [0, 1]) as handle:
                found.append(handle.memory)
        return found

    before = plans()
    assert all(a is b for a, b in zip(plans(), before, strict=True))
    evaluator.machine = Machine(launch=1.0)
    for found, earlier in zip(plans(), before, strict=True):
        assert found is not None
        assert earlier is not None
        assert found.seconds > 100 * earlier.seconds > 0
    assert len(planned) == 2
