"""Runs of a real pipeline: continued on what they began on, refused on anything else, and unbroken by the machine."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from evocache import evolve_run
from evocache.errors import DeviceError, EvocacheWarning, IdentityError
from evocache.model import discover
from evocache.policies import parse
from evocache.schedule.front.point import Point
from evocache.search.evaluate import local
from evocache.search.optimise.settings import Settings
from evocache.search.storage.journal import JOURNAL, read
from evocache.search.storage.journal_records import JobEvaluated, Record
from evocache.search.storage.run_records import read_run
from tests.test_evolve_run import CALL, PROMPTS
from tests.tiny import FAMILIES

SETTINGS = Settings(population=6, offspring=4, generations=0, prompts=2, rungs=())


class PulledPlugError(Exception):
    pass


def evolve(pipe: Any, folder: Path, *, stage: Callable[[str], None] = lambda name: None, **changes: Any) -> None:
    """Evolve, up to the proof."""

    def staged(name: str) -> None:
        if name == "proving":
            raise PulledPlugError
        stage(name)

    given = {"prompts": PROMPTS[:2], "call": CALL, "settings": SETTINGS, "batch": 2, "budget_seconds": None, **changes}
    with pytest.raises(PulledPlugError):
        evolve_run.evolve(pipe, out=folder, stage=staged, **given)


@pytest.fixture(scope="module")
def built() -> Any:
    torch.set_num_threads(1)
    return FAMILIES["pixart"].build()


@pytest.fixture(scope="module")
def begun(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was evaluated to its end."""
    from tests.conftest import hasten

    with pytest.MonkeyPatch.context() as patch:
        hasten(patch.setattr)
        evolve(built, folder := tmp_path_factory.mktemp("begun"))
    return folder


@pytest.fixture
def pipe(built: Any) -> Any:
    """The same pipeline, to be changed."""
    return copy.deepcopy(built)


@pytest.fixture
def run(begun: Path, tmp_path: Path, hasty: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Its folder, to be continued; what the machine fails at is tried again at once."""
    monkeypatch.setattr(local, "WAITS", (0.0,))
    return Path(shutil.copytree(begun, tmp_path / "run"))


def told(folder: Path) -> list[Record]:
    """What a journal says, without the time that it took."""
    return [replace(r, seconds=0.0) if hasattr(r, "seconds") else r for r in read(folder / JOURNAL)]


def redrawn(pipe: Any) -> None:
    for weight in pipe.transformer.parameters():
        weight.data.add_(torch.randn_like(weight), alpha=0.05)


def other_solver(pipe: Any) -> None:
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)


@pytest.mark.parametrize(
    ("change", "given", "words"),
    [
        (redrawn, {}, r"transformer\.weights is '\w+', was '\w+'"),
        (other_solver, {}, r"scheduler is 'EulerDiscreteScheduler', was '\w+'"),
        (lambda pipe: pipe.to(torch.bfloat16), {}, r"dtype is 'bfloat16', was 'float32'"),
        (lambda pipe: None, {"batch": 1}, "batch is 1, was 2"),
        (lambda pipe: None, {"call": {**CALL, "guidance_scale": 2.0}}, r"guidance_scale is 2\.0, was absent"),
        (lambda pipe: None, {"judge": "psnr"}, "quality is 'psnr', was 'latent'"),
        (lambda pipe: None, {"settings": replace(SETTINGS, seed=1)}, "seeds is "),
        (lambda pipe: None, {"prompts": PROMPTS[1:3]}, "prompts is "),
    ],
)
def test_a_run_on_something_else_is_refused_before_anything_is_computed(
    pipe: Any, run: Path, change: Callable[[Any], object], given: dict[str, Any], words: str
) -> None:
    with torch.no_grad():
        change(pipe)
    calls: list[object] = []
    pipe.transformer.register_forward_pre_hook(lambda *_: calls.append(1))
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    settings = {"call": CALL, "settings": SETTINGS, "batch": 2, "budget_seconds": None, **given}
    prompts = settings.pop("prompts", PROMPTS[:2])
    with pytest.raises(IdentityError, match=words):
        evolve_run.evolve(pipe, prompts, out=run, **settings)
    assert not calls
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before


def test_what_no_part_tells_shows_in_the_first_outputs(pipe: Any, run: Path) -> None:
    calls: list[object] = []

    def patched(module: object, args: object, output: Any) -> Any:
        calls.append(1)
        return (output[0] * 1.05, *output[1:])

    pipe.transformer.register_forward_hook(patched)
    before = (run / JOURNAL).read_bytes()
    with pytest.raises(IdentityError, match="first uncached outputs"):
        evolve_run.evolve(pipe, PROMPTS[:2], call=CALL, out=run, settings=SETTINGS, batch=2, budget_seconds=None)
    assert len(calls) == 2 * CALL["num_inference_steps"]  # an uncached generation to warm up, and one that is timed
    assert (run / JOURNAL).read_bytes() == before


def test_the_same_is_continued(pipe: Any, run: Path) -> None:
    before = (run / JOURNAL).read_bytes()
    evolve(pipe, run)
    assert (run / JOURNAL).read_bytes() == before


@pytest.mark.parametrize("after", [0, 41])
def test_memory_that_runs_out_loses_nothing(pipe: Any, run: Path, begun: Path, after: int) -> None:
    """The calibration is the same, so that the search is; a fault that lasts comes after some denoiser calls."""
    (run / JOURNAL).unlink()
    real, left = pipe.transformer.forward, [10**9]

    def forward(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(*args, **kwargs)

    def stage(name: str) -> None:
        left[0] = after if name == "evolving" else left[0]

    pipe.transformer.forward = forward
    given = {"call": CALL, "settings": SETTINGS, "batch": 2, "budget_seconds": None, "stage": stage}
    with pytest.raises(DeviceError, match=r"OutOfMemoryError.*continues from here"):
        evolve_run.evolve(pipe, PROMPTS[:2], out=run, **given)
    some, whole = told(run), told(begun)
    assert len(some) < len(whole)
    assert not any(isinstance(record, JobEvaluated) and record.failed for record in some)
    del pipe.transformer.forward
    evolve(pipe, run)
    assert told(run) == whole


def test_memory_that_runs_out_in_a_proof_ends_it_and_the_proof_is_made_later(
    pipe: Any, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def prove(*given: Any, **more: Any) -> Any:
        tried.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(evolve_run, "validate", prove)
    before = (run / JOURNAL).read_bytes()
    for _ in range(2):
        with pytest.raises(DeviceError):
            evolve_run.evolve(pipe, PROMPTS[:2], call=CALL, out=run, settings=SETTINGS, batch=2, budget_seconds=None)
    assert len(tried) == 4
    assert (run / JOURNAL).read_bytes() == before


def test_memory_that_runs_out_in_the_calibration_ends_the_run(
    pipe: Any, tmp_path: Path, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "WAITS", (0.0,))

    def forward(*args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    pipe.transformer.forward = forward
    with pytest.raises(DeviceError):
        evolve_run.evolve(pipe, PROMPTS[:2], call=CALL, out=tmp_path, settings=SETTINGS, batch=2, budget_seconds=None)
    assert not (tmp_path / JOURNAL).exists()
    assert not (tmp_path / "calibration.json").exists()


def test_what_is_started_from_is_evaluated_first_even_if_there_is_no_time(pipe: Any, run: Path) -> None:
    (run / JOURNAL).unlink()
    tree = discover(pipe).tree
    specs = [
        "fora:2",
        "fora:3",
        "fora:4",
        "taylorseer:2",
        "taylorseer:3",
        "tgate:2",
        "tgate:3",
        "tgate:4",
        "steps:0,3",
        "none",
    ]
    start = [parse(spec).schedule(tree, CALL["num_inference_steps"]) for spec in specs]
    evolve(pipe, run, start=[*start, Point(start[0], {}, storage="int8")], budget_seconds=1e-9)
    evaluated = read_run(run).evaluations
    assert [record.schedule for record in evaluated] == [schedule.digest for schedule in start]
    assert all(sorted(record.prompts) == [0, 1] and not record.failed for record in evaluated)


def test_a_folder_that_was_not_named_is_told(pipe: Any, hasty: None) -> None:
    def stop(name: str) -> None:
        raise PulledPlugError

    told = pytest.warns(EvocacheWarning, match=r"the run is kept in .*evocache-run-")
    with told as seen, pytest.raises(PulledPlugError):
        evolve_run.evolve(pipe, PROMPTS[:2], call=CALL, settings=SETTINGS, batch=2, stage=stop)
    assert [warning.filename for warning in seen] == [__file__]
