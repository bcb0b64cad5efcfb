"""Calibration of all kinds of tiny models: drift of every component, calls, prices; and the file that keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evocache.errors import RunError
from evocache.policies import SmoothCache, parse
from evocache.policies.calibrated.smoothcache import group_columns
from evocache.runtime import apply
from evocache.runtime.handle import handle_of
from evocache.schedule import Schedule, uniform
from evocache.search.calibrate.calibrate import calibrate
from evocache.search.calibrate.calibration_file import CALIBRATION, Calibration, read_calibration, write_calibration
from evocache.search.calibrate.schedule_timing import time_schedules
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.search.optimise.job import Job
from tests.family import Family
from tests.test_evolve_run import CALL
from tests.tiny import FAMILY_OF


class Evaluator(LocalEvaluator):
    """Generates with the family's own call."""

    def __init__(self, family: Family) -> None:
        super().__init__(family.pipe, Workload.of(["a red fox"], {}), quality("psnr"))
        self.family = family

    def generate(self, numbers):
        return self.family.call()[:1].reshape(1, -1)


@pytest.fixture
def calibrated(family):
    def get(name: str) -> tuple[Family, Calibration]:
        built = family(name)
        return built, calibrate(Evaluator(built), [0], repeats=1, schedules=(0, 0))

    return get


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize(
    "name", ["pixart", "flux", "flux_img2img", "wan", "wan22", "sd15", "svd", "animatediff", "kandinsky22", "allegro"]
)
def test_every_component_that_runs_has_a_drift(calibrated, name: str) -> None:
    family, found = calibrated(name)
    steps = found.steps
    ran = {c.id for c in family.model.tree if found.costs.sizes.get(c.id)}
    assert found.drift.keys() >= ran
    assert {c.id for c in family.model.tree.of_kind("denoiser")} <= found.drift.keys()
    for matrix in found.drift.values():
        assert matrix.shape == (steps, steps)
        assert np.allclose(np.diag(matrix), 0, atol=1e-5)
        assert np.isfinite(matrix).all()
        assert (matrix >= 0).all()
    assert found.errors.keys() <= group_columns(family.model.tree).keys()
    moving = {name for name, matrix in found.errors.items() if (matrix[0, 1:] > 0).any()}
    constant = {"unet/cross_attention"} if name == "svd" else set()  # attention to one token is always the same
    assert moving == found.errors.keys() - constant
    full = Schedule.full(family.model.tree, steps)
    assert found.costs.macs(full) > 0


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("pixart", {"transformer": [1, 1, 1, 1]}),
        ("wan", {"transformer": [2, 2, 2, 2]}),
        ("kandinsky22", {"unet": [1, 1, 1, 1], "prior_prior": [0.75, 0.75, 0.75, 0.75]}),
    ],
)
def test_calls_of_each_denoiser_at_each_step(calibrated, name: str, calls: dict[str, list[float]]) -> None:
    found = calibrated(name)[1].costs.calls_at
    assert found.keys() == calls.keys()
    for denoiser, at in calls.items():
        assert found[denoiser] == pytest.approx(at)


def test_two_denoisers_share_the_steps_and_the_price(calibrated) -> None:
    family, found = calibrated("wan22")
    calls = found.costs.calls_at
    both = np.array(list(calls.values()))
    assert both.shape == (2, found.steps)
    assert (both > 0).sum(axis=0).tolist() == [1] * found.steps
    for name, at in calls.items():
        seen = family.passes[name]
        assert np.flatnonzero(at).tolist() == [*range(seen.start, seen.start + seen.rows)]
        for i, id in enumerate(c.id for c in family.model.tree):
            if id.startswith(f"{name}/") and id in found.drift:
                absent = np.array(at) == 0
                assert not found.drift[id][:, absent].any(), i


def test_a_generation_that_starts_late_is_priced_by_the_steps_that_it_takes(calibrated) -> None:
    family, found = calibrated("flux_img2img")
    seen = family.passes["transformer"]
    at = found.costs.calls_at["transformer"]
    assert np.flatnonzero(at).tolist() == [*range(seen.start, seen.start + seen.rows)]


def test_drift_is_what_reuse_gets_wrong(calibrated) -> None:
    """The drift of the denoiser, sampled, against the whole outputs at two steps."""
    family, found = calibrated("pixart")
    outputs = []
    hook = family.pipe.transformer.register_forward_hook(lambda m, a, out: outputs.append(out[0].double().clone()))
    try:
        with apply(family.pipe, "none"):
            family.call()
    finally:
        hook.remove()
    exact = float(((outputs[0] - outputs[2]) ** 2).sum() / (outputs[2] ** 2).sum())
    assert found.drift["transformer"][0, 2] == pytest.approx(exact, rel=0.1)


def test_a_skipped_denoiser_costs_next_to_nothing(calibrated) -> None:
    family, found = calibrated("pixart")
    tree, steps = family.model.tree, found.steps
    full = found.costs.latency(Schedule.full(tree, steps))
    skipped = found.costs.latency(uniform(tree, steps, ["transformer"], [0]))
    assert skipped == pytest.approx(full / steps)
    assert found.costs.macs(uniform(tree, steps, ["transformer"], [0, 1])) == pytest.approx(
        found.costs.macs(Schedule.full(tree, steps)) * 2 / steps
    )


def test_the_file_gives_back_what_was_calibrated(calibrated, tmp_path: Path) -> None:
    family, found = calibrated("pixart")
    write_calibration(tmp_path, found)
    back = read_calibration(tmp_path)
    assert back is not None
    assert (back.steps, back.costs, back.accuracy) == (found.steps, found.costs, found.accuracy)
    for id, matrix in found.drift.items():
        assert np.allclose(back.drift[id], np.triu(matrix, 1), rtol=1e-3)
    assert (tmp_path / CALIBRATION).stat().st_size < 12_000
    for threshold in (0.02, 0.1, 1.0):
        policy = parse(f"smoothcache:{threshold},{tmp_path}")
        assert policy.schedule(family.model.tree, 4) == SmoothCache(threshold, errors=back.errors).schedule(
            family.model.tree, 4
        )


@pytest.mark.parametrize("text", ["{", "{}", '{"version": 1}', '{"version": 2, "steps": 4, "costs": {"x": 1}}'])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    assert read_calibration(tmp_path) is None
    (tmp_path / CALIBRATION).write_text(text)
    with pytest.raises(RunError, match="calibration of a run"):
        read_calibration(tmp_path)


def test_timing_counts_ratios_to_the_uncached_generations_around(family) -> None:
    """On a clock that says what each generation ought to take, slower and slower."""
    evaluator = Evaluator(family("pixart"))
    evaluator.uncached([0])
    tree, steps = evaluator.tree, evaluator.steps
    schedules = [uniform(tree, steps, ["transformer"], range(n)) for n in (1, 2, 3, 4)]
    now = [0.0]
    busy = [1.0]

    def generate(numbers):
        handle = handle_of(evaluator.pipe)
        share = handle.program.given.executed_fraction()
        now[0] += busy[0] * share * 8
        busy[0] *= 1.01
        return np.zeros((1, 1))

    evaluator.generate = generate  # type: ignore[method-assign]
    found = time_schedules(evaluator, schedules, [0], rounds=2, clock=lambda: now[0])
    assert found.seconds / found.uncached == pytest.approx([0.25, 0.5, 0.75, 1.0], rel=1e-3)
    assert found.scatter < 0.02  # the machine gets slower by 1 % a generation


def test_the_fitted_model_is_checked_on_other_schedules(family) -> None:
    evaluator = Evaluator(family("pixart"))
    found = calibrate(evaluator, [0], repeats=1, schedules=(4, 3), rounds=1)
    assert (found.accuracy.fitted, found.accuracy.checked) == (4, 3)
    assert 0 <= found.accuracy.median <= found.accuracy.largest < 2
    assert min(found.costs.weights.values()) >= 0
    assert found.costs.fixed > 0


def test_a_file_of_the_version_before_knows_one_number_of_steps(calibrated, tmp_path: Path) -> None:
    _, found = calibrated("pixart")
    write_calibration(tmp_path, found)
    file = tmp_path / CALIBRATION
    file.write_text(file.read_text().replace('"version":3', '"version":2'))
    back = read_calibration(tmp_path)
    assert back is not None
    assert back.costs == found.costs
    assert not back.costs.varies


def test_what_a_step_costs_is_known_after_schedules_of_fewer_steps_were_timed(family) -> None:
    evaluator = LocalEvaluator(family("pixart").pipe, Workload.of(["a red fox"], CALL), quality("latent"))
    found = calibrate(evaluator, [0], repeats=1, schedules=(4, 2), rounds=1, least=2)
    assert found.costs.varies
    assert (found.accuracy.fitted, found.accuracy.checked) == (4, 2)
    tree = evaluator.tree
    seconds = [found.costs.latency(Schedule.full(tree, n)) for n in range(2, 7)]
    assert seconds == sorted(seconds)
    assert seconds[0] < 0.8 * seconds[-1]


def test_steps_vary_where_the_scheduler_counts_what_it_is_asked_for(family) -> None:
    from diffusers import PNDMScheduler

    pipe = family("pixart").pipe
    evaluator = LocalEvaluator(pipe, Workload.of(["a red fox"], CALL), quality("latent"))
    assert not evaluator.varies  # nothing is known yet
    reference = evaluator.uncached([0])
    fewer = Schedule.full(evaluator.tree, 4)
    assert evaluator.varies
    assert evaluator.changes(fewer) == {"num_inference_steps": 4}
    assert evaluator.changes(Schedule.full(evaluator.tree, 6)) == {}
    assert evaluator.manages(4)
    before = evaluator.step_equivalents
    ((_, errors),) = evaluator.evaluate([Job(fewer, (0,))])
    assert evaluator.step_equivalents - before == 4 + 6  # and the references
    plain = evaluator.generate([0], num_inference_steps=4)
    assert errors == quality("latent").measure(plain, reference, ["a red fox"])
    for call in ({"timesteps": [900, 500]}, {"sigmas": [1.0, 0.5]}):
        own = LocalEvaluator(pipe, Workload.of(["a red fox"], {**CALL, **call}), quality("latent"))
        own.steps = 6
        assert not own.varies
    counting = pipe.scheduler
    try:
        pipe.scheduler = PNDMScheduler(skip_prk_steps=True)  # n + 1 timesteps
        own = LocalEvaluator(pipe, Workload.of(["a red fox"], CALL), quality("latent"))
        own.uncached([0])
        assert own.steps == 7
        assert not own.varies
        assert own.changes(fewer) == {}
        assert not own.manages(4)
    finally:
        pipe.scheduler = counting


def test_two_denoisers_that_share_the_steps_may_have_fewer(family) -> None:
    """However few the steps are, each denoiser computes at its first one, whatever the other has stored."""
    call = {"height": 32, "width": 32, "num_frames": 5, "num_inference_steps": 8, "max_sequence_length": 16}
    evaluator = LocalEvaluator(family("wan22").pipe, Workload.of(["a fox"], call), quality("latent"))
    costs = calibrate(evaluator, [0], repeats=1, schedules=(2, 0), rounds=1, least=2).costs
    assert evaluator.steps == 8
    full = Schedule.full(evaluator.tree, 8)
    fora = parse("fora:2").schedule(evaluator.tree, 8)
    jobs = [
        Job(schedule, (0,)) for schedule in (Schedule.full(evaluator.tree, 4), fora.resampled(5), fora.resampled(2))
    ]
    for job, (_, errors) in zip(jobs, evaluator.evaluate(jobs), strict=True):
        assert np.isfinite(errors).all()
        assert 0 < costs.latency(job.schedule) < costs.latency(full)
        assert 0 < costs.macs(job.schedule) < costs.macs(full)
