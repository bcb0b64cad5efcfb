"""A real evolution of a tiny pipeline, from prompts to a measured front."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from evocache.errors import EvocacheWarning, MismatchError, RunError
from evocache.evolve_run import evolve
from evocache.model import discover
from evocache.schedule import Schedule, liveness
from evocache.schedule.front.front import Front
from evocache.search.calibrate.calibration_file import read_calibration
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.search.optimise.job import Job
from evocache.search.optimise.settings import Settings
from evocache.validation.proof_file import read_proof
from tests.conftest import hasten
from tests.tiny import FAMILIES

pytestmark = pytest.mark.usefixtures("hasty")

CALL = {
    "num_inference_steps": 6,
    "height": 32,
    "width": 32,
    "use_resolution_binning": False,
    "clean_caption": False,
    "max_sequence_length": 16,
}
PROMPTS = ["a cat", "a dog", "a red house", "two birds"]
SETTINGS = Settings(population=8, offspring=6, generations=1, prompts=4, rungs=(2,), polish=2)
SHORT = Settings(population=8, offspring=4, generations=0, prompts=4, rungs=(2,))


@pytest.fixture(scope="module")
def pipe() -> Any:
    return FAMILIES["pixart"].build()


class Made(NamedTuple):
    """A run that was made, and the stages that it told of."""

    front: Front
    folder: Path
    stages: list[str]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its journal."""
        return [json.loads(line) for line in (self.folder / "journal.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def made(pipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run of one generation, with whatever `evolve` does by default; to be left as it is."""
    folder, stages = tmp_path_factory.mktemp("api"), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        hasten(patch.setattr)
        front = evolve(pipe, PROMPTS, call=CALL, out=folder, settings=SETTINGS, batch=4, stage=stages.append)
    return Made(front, folder, stages)


def answers(evaluator: LocalEvaluator, jobs: list[Job]) -> list[list[float]]:
    return [answer for _, answer in sorted(evaluator.evaluate(jobs))]


def test_from_prompts_to_a_measured_front(made: Made) -> None:
    front, folder, stages = made
    assert len(front) >= 3
    assert stages[:2] == ["calibrating", "evolving"]
    saved = read_proof(folder)
    assert (saved.basis.held_out, saved.basis.prompts) == ("seeds", 4)  # four prompts are too few to split
    assert [p.schedule for p in saved.front] == [p.schedule for p in front]
    assert [p.measured for p in saved.front] == [p.measured for p in front]
    assert {b.group for b in saved.baselines.values()} == {"uncached", "seed", "steps"}
    assert front.pick(quality=-100).measured["speedup"] == max(p.measured["speedup"] for p in front)
    calibration = read_calibration(folder)
    assert calibration is not None
    assert calibration.steps == 6
    costs, drift = calibration.costs, calibration.drift
    assert drift["transformer/blocks[0:4]"].shape == (6, 6)
    assert np.allclose(np.diag(drift["transformer/blocks[0:4]"]), 0, atol=1e-5)
    for point in front:
        assert point.measured["memory"] == liveness.compute_peak_bytes(point.schedule, costs.sizes)


def test_a_limit_of_cached_features_is_kept(pipe, tmp_path: Path) -> None:
    front = evolve(
        pipe,
        [*PROMPTS, "a boat", "A Cat", "a tree", "a tower", "a lamp", "a  lamp"],
        call=CALL,
        out=tmp_path,
        settings=SETTINGS,
        batch=4,
        max_memory="70kB",
        objectives=("macs", "memory"),
    )
    assert len(front) >= 2
    assert max(p.measured["memory"] for p in front) <= 70_000
    assert max(p.measured["memory"] for p in front) > 0
    saved = read_proof(tmp_path)  # the settings are of four prompts: the others are held out
    assert (saved.basis.held_out, saved.basis.prompts) == ("prompts", 4)
    assert saved.pictures.prompts == ("a boat", "a tree")


def test_the_uncached_schedule_has_no_error_and_a_pipeline_is_left_as_it_was(pipe) -> None:
    cls = type(pipe)
    evaluator = LocalEvaluator(pipe, Workload.of(PROMPTS, CALL, batch=3), quality("latent"))
    from evocache.policies import parse

    jobs = [Job(parse(spec).schedule(evaluator.tree, 6), (0, 1, 2, 3)) for spec in ("none", "fora:2", "fora:3")]
    errors = answers(evaluator, jobs)
    assert errors[0] == [-80.0] * 4
    assert np.mean(errors[0]) < np.mean(errors[1]) < np.mean(errors[2])
    assert answers(evaluator, jobs[1:2]) == errors[1:2]
    assert answers(evaluator, [Job(jobs[1].schedule, (2, 0))]) == [
        [pytest.approx(errors[1][i], abs=0.1) for i in (2, 0)]
    ]
    assert type(pipe) is cls


def test_an_evaluator_is_freed_when_it_is_dropped() -> None:
    """With plans and prices of its own, without the garbage collector's help."""
    from evocache.policies import parse

    pipe = FAMILIES["pixart"].build()
    evaluator = LocalEvaluator(pipe, Workload.of(PROMPTS[:2], CALL, batch=2), quality("latent"), 1 << 30)
    evaluator.steps = 6
    gone = weakref.ref(evaluator)
    gc.collect()
    gc.disable()
    try:
        for spec in ("fora:2", "fora:3"):
            with evaluator.applied(parse(spec).schedule(evaluator.tree, 6), [0, 1]) as handle:
                assert handle.memory is not None
            assert evaluator.fits(parse(spec).schedule(evaluator.tree, 4), [0, 1])
        with evaluator.applied("fora:2", [0, 1]):
            pass
        del evaluator, handle
        assert gone() is None
    finally:
        gc.enable()


def test_bad_input(pipe, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="prompt"):
        evolve(pipe, [], call=CALL, out=tmp_path)
    with pytest.raises(RunError, match="objectives"):
        evolve(pipe, PROMPTS, call=CALL, out=tmp_path, objectives=("beauty",))
    with pytest.raises(RunError, match="fails uncached"):
        evolve(pipe, PROMPTS, call={**CALL, "height": 31}, out=tmp_path)
    with pytest.raises(RunError, match="front"):
        read_proof(tmp_path)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_computed(pipe, monkeypatch) -> None:
    closed = Path("/sys")  # to root, too
    if not closed.is_dir():
        pytest.skip("no folder that nobody can write to")

    def computed(*given: object, **more: object) -> None:
        raise AssertionError("something was generated")

    monkeypatch.setattr(LocalEvaluator, "references", computed)
    for folder in (closed, closed / "run"):
        with pytest.raises(RunError, match="a folder that can be written"):
            evolve(pipe, PROMPTS, call=CALL, out=folder, settings=SETTINGS)


def test_a_run_may_start_from_a_front_that_was_moved_here(pipe, made: Made, tmp_path: Path) -> None:
    moved = made.front.retarget(pipe, steps=5)
    call = {**CALL, "num_inference_steps": 5}
    second = evolve(pipe, PROMPTS, call=call, out=tmp_path / "second", settings=SHORT, start=moved, batch=4)
    journal = [json.loads(line) for line in (tmp_path / "second" / "journal.jsonl").read_text().splitlines()]
    evaluated = {line["schedule"] for line in journal if line["kind"] == "eval"}
    assert {point.schedule.digest for point in moved} <= evaluated
    assert min(point.schedule.steps for point in second) >= 2
    assert max(point.schedule.steps for point in second) == second.uncached_steps == 5
    foreign = [Schedule.full(discover(FAMILIES["flux"].build()).tree, 6)]
    with pytest.raises(MismatchError, match="retarget"):
        evolve(pipe, PROMPTS, call=CALL, out=tmp_path / "third", settings=SHORT, start=foreign)


def test_a_time_that_is_too_short_is_told_before_anything_is_calibrated(pipe, tmp_path: Path) -> None:
    out, seen = tmp_path / "run", []

    def stage(name: str) -> None:
        seen.append((name, (out / "calibration.json").exists()))

    said = r"the time is short: 0 s are left, and the shortest calibration, search and proof .* take about \d+ s here"
    with pytest.warns(EvocacheWarning, match=said):
        front = evolve(pipe, PROMPTS, call=CALL, out=out, settings=SHORT, batch=4, budget_seconds=1e-9, stage=stage)
    assert len(front) > 0
    assert seen[:2] == [("calibrating", False), ("evolving", True)]
    calibration = read_calibration(out)
    assert calibration is not None
    assert (calibration.accuracy.fitted, calibration.accuracy.checked) == (4, 2)


def test_a_wish_to_stop_among_the_seeds_ends_in_a_proof_and_the_same_call_goes_on(pipe, tmp_path: Path) -> None:
    def evaluated() -> list[tuple[str, str]]:
        lines = map(json.loads, (tmp_path / "journal.jsonl").read_text().splitlines())
        return [(line["schedule"], str(line["prompts"])) for line in lines if line["kind"] == "eval"]

    front = evolve(
        pipe,
        PROMPTS,
        call=CALL,
        out=tmp_path,
        settings=SHORT,
        batch=4,
        watch=lambda answered, jobs: answered == 2,
    )
    first = evaluated()
    assert len(first) == 2
    assert len(front) >= 1
    assert len(read_proof(tmp_path).front) == len(front)
    evolve(pipe, PROMPTS, call=CALL, out=tmp_path, settings=SHORT, batch=4)
    assert evaluated()[:2] == first
    assert len({*evaluated()}) == len(evaluated()) > 8


def test_steps_are_varied_unless_they_are_fixed(pipe, made: Made, tmp_path: Path) -> None:
    def start(out: Path) -> dict[str, object]:
        run: dict[str, object] = json.loads((out / "journal.jsonl").read_text().splitlines()[0])["run"]
        return run

    counts = {line.get("steps", 6) for line in made.lines if line["kind"] == "schedule"}
    assert counts == {2, 3, 4, 5, 6}
    assert made.lines[0]["run"]["least steps"] == 2
    assert {point.steps for point in made.front} == {point.schedule.steps for point in made.front}
    fixed = evolve(
        pipe, PROMPTS, call=CALL, out=tmp_path / "same", settings=SHORT, batch=4, budget_seconds=10, least_steps=6
    )
    assert {point.schedule.steps for point in fixed} == {6}
    assert "least steps" not in start(tmp_path / "same")
    calibration = read_calibration(tmp_path / "same")
    assert calibration is not None
    assert not calibration.costs.varies
    for least, folder in ((4, "same"), (1, "other")):  # a run that was begun without; too few
        with pytest.raises(RunError, match="steps"):
            evolve(pipe, PROMPTS, call=CALL, out=tmp_path / folder, settings=SHORT, batch=4, least_steps=least)
