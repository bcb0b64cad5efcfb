"""Faults: a schedule's failure is an answer, the machine's never is."""

from __future__ import annotations

import errno
import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from evocache.errors import DeviceError, Error, GenerationError, MismatchError, PolicyError, RunError
from evocache.policies import parse
from evocache.search.evaluate.faults import attempt, is_device_fault, retry_faults
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.worker_group import Outcome, WorkerGroup, WorkerLost
from evocache.search.evaluate.workload import Workload
from evocache.search.optimise.job import Failure, Job
from evocache.search.run import Run
from evocache.search.storage.run_records import read_run
from tests.search.crews import SETTINGS, Made, figures, front
from tests.search.optimise.test_evolution import SEEDS, SPACE, answer, price
from tests.test_evolve_run import CALL, PROMPTS

MACHINE = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to"),
    OSError(errno.ENOSPC, "No space left on device"),
    DeviceError("a feature that came back otherwise", "the same", "check the disk"),
]
OWN = [
    GenerationError("outputs that are not finite", "numbers", "compute more"),
    MismatchError("a schedule of another model", "one of this", "retarget it"),
    PolicyError("a storage", "another", "choose"),
]
STRANGE = [RuntimeError("shapes (2, 3) and (2, 4) do not match"), ValueError("no idea"), KeyError("missing")]


class Act:
    """Raises some errors, one after the other, and then gives 7."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return 7


@pytest.mark.parametrize("error", MACHINE, ids=repr)
def test_what_the_machine_fails_at_is_tried_again_and_never_an_answer(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gc.collect", lambda: 0)  # before each further try; takes long where so much is imported
    waited: list[float] = []
    passing = Act(error, error)
    assert attempt(passing, Act(), waits=(0.5, 3.0), pause=waited.append) == 7
    assert (passing.calls, waited) == (3, [0.5, 3.0])
    lasting, control = Act(*[error] * 9), Act()
    with pytest.raises(DeviceError, match="a machine that fails"):
        attempt(lasting, control, waits=(0.0, 0.0), pause=waited.append)
    assert (lasting.calls, control.calls) == (3, 0)
    with pytest.raises(DeviceError):
        retry_faults(Act(*[error] * 9), waits=(0.0,), pause=waited.append)
    assert retry_faults(Act(error), waits=(0.0,), pause=waited.append) == 7


@pytest.mark.parametrize("error", OWN, ids=repr)
def test_a_schedule_s_own_error_is_its_failure_at_once(error: Error) -> None:
    act = Act(error)
    assert attempt(act, Act()) == Failure(f"{type(error).__name__}: {error.given}")
    assert act.calls == 1
    assert not is_device_fault(error)


@pytest.mark.parametrize("error", STRANGE, ids=repr)
def test_the_call_without_the_schedule_tells_whose_a_strange_error_is(error: Exception) -> None:
    assert attempt(Act(error), Act(error)) == 7  # it passed
    act, control = Act(error, error), Act()
    assert attempt(act, control) == Failure(f"{type(error).__name__}: {' '.join(str(error).split())}")
    assert (act.calls, control.calls) == (2, 1)
    broken = Act(RunError("a pipeline that fails uncached", "one that runs", "run it by hand"))
    with pytest.raises(RunError, match="fails uncached"):
        attempt(Act(error, error), broken)
    mixed = Act(MACHINE[1], error, error)
    assert isinstance(attempt(mixed, Act(), waits=(0.0, 0.0)), Failure)
    assert mixed.calls == 3


def test_a_run_s_own_errors_are_raised() -> None:
    with pytest.raises(RunError, match="rewards"):
        attempt(Act(RunError("2 rewards for 3 prompts", "one each", "return one")), Act())


def test_what_an_error_holds_is_let_go_before_the_next_try() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def act() -> int:
        if held:
            assert held[0]() is None
            return 7
        tensor = torch.zeros(8)
        held.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("CUDA out of memory")

    gc.disable()
    try:
        assert attempt(act, Act(), waits=(0.0,)) == 7
    finally:
        gc.enable()


# --- on a live pipeline ------------------------------------------------------------------------------------------


class Failing:
    """A denoiser's forward that raises at some of its calls, counted from when it is switched on."""

    def __init__(self, pipe: object, error: Callable[[], Exception], when: Callable[[int], bool]) -> None:
        self.module, self.error, self.when, self.calls = pipe.transformer, error, when, 0  # type: ignore[attr-defined]
        self.real = self.module.forward

    def __enter__(self) -> Failing:
        self.module.forward = self._forward
        return self

    def __exit__(self, *_: object) -> None:
        del self.module.forward

    def _forward(self, *args: object, **kwargs: object) -> object:
        self.calls += 1
        if self.when(self.calls):
            raise self.error()
        return self.real(*args, **kwargs)


@pytest.fixture
def evaluator(family) -> LocalEvaluator:
    made = LocalEvaluator(family("pixart").pipe, Workload.of(PROMPTS[:2], CALL, batch=2), quality("latent"))
    made.waits = (0.0, 0.0)
    made.references([0, 1])
    return made


def oom() -> Exception:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_a_passing_fault_changes_no_answer(evaluator: LocalEvaluator) -> None:
    job = Job(parse("fora:2").schedule(evaluator.tree, 6), (0, 1))
    turn = Job(job.schedule, (0, 1), (parse("fora:3").schedule(evaluator.tree, 6),))
    expected = list(evaluator.evaluate([job, turn]))
    with Failing(evaluator.pipe, oom, lambda call: call in (2, 4, 15)):
        assert list(evaluator.evaluate([job, turn])) == expected
    with Failing(evaluator.pipe, lambda: ValueError("not now"), lambda call: call == 2):
        assert list(evaluator.evaluate([job, turn])) == expected


def test_a_lasting_fault_ends_the_run(evaluator: LocalEvaluator) -> None:
    job = Job(parse("fora:2").schedule(evaluator.tree, 6), (0, 1))
    with Failing(evaluator.pipe, oom, lambda call: True), pytest.raises(DeviceError, match="out of memory"):
        list(evaluator.evaluate([job]))
    with Failing(evaluator.pipe, oom, lambda call: True), pytest.raises(DeviceError, match="out of memory"):
        evaluator.uncached([0, 1])
    broken = pytest.raises(RunError, match=r"fails uncached .ValueError: it is gone")
    with Failing(evaluator.pipe, lambda: ValueError("it is gone"), lambda call: True), broken:
        list(evaluator.evaluate([job]))


def test_outputs_that_are_not_finite_are_the_schedule_s_failure(evaluator: LocalEvaluator) -> None:
    schedule = parse("fora:2").schedule(evaluator.tree, 6)
    block = evaluator.pipe.transformer.transformer_blocks[0]

    def spoil(module: object, args: object, output: torch.Tensor) -> torch.Tensor:
        return output * torch.nan

    hook = block.register_forward_hook(spoil)
    try:
        ((_, answer), (_, turned)) = evaluator.evaluate([Job(schedule, (0, 1)), Job(schedule, (0, 1), (schedule,))])
    finally:
        hook.remove()
    assert answer == turned == Failure("GenerationError: outputs that are not finite")


def test_a_call_that_is_of_a_whole_batch_does_not_vary_its_steps(evaluator: LocalEvaluator) -> None:
    """One prompt alone fails for its list of two, with and without a schedule: that ends no run."""
    call = {**CALL, "negative_prompt": ["a", "b"]}
    listed = LocalEvaluator(evaluator.pipe, Workload.of(PROMPTS[:2], call, batch=2), quality("latent"))
    listed.references([0, 1])
    assert listed.varies
    assert not listed.manages(3)
    assert evaluator.manages(3)


def test_a_judge_that_fails_on_some_outputs_fails_these_alone(evaluator: LocalEvaluator) -> None:
    reference = evaluator.references([0, 1])

    def picky(images: np.ndarray, prompts: object) -> np.ndarray:
        if not np.allclose(images, whole):
            raise ValueError("no picture of mine")
        return images.mean(axis=(1, 2, 3))

    judge = LocalEvaluator(evaluator.pipe, evaluator.workload, quality(picky))
    whole = judge.references([0, 1])
    schedules = [parse(spec).schedule(evaluator.tree, 6) for spec in ("none", "fora:3")]
    full, cached = (answer for _, answer in judge.evaluate([Job(schedule, (0, 1)) for schedule in schedules]))
    assert isinstance(full, list)
    assert cached == Failure("ValueError: no picture of mine")
    assert reference.shape[0] == 2


# --- in a run ----------------------------------------------------------------------------------------------------


def test_a_failure_is_written_with_its_reason_and_not_tried_again(tmp_path: Path) -> None:
    call_arguments: list[str] = []

    class Failed(Made):
        def evaluate(self, jobs, more=None):
            for number, found in super().evaluate(jobs):
                call_arguments.append(jobs[number].key)
                own = jobs[number].schedule.digest == SEEDS[3].digest
                yield number, Failure("GenerationError: no such step") if own else found

    found = front(tmp_path / "run", Failed())
    records = read_run(tmp_path / "run").evaluations
    lost = [record for record in records if record.failed]
    assert {(r.schedule, r.failed) for r in lost} == {(SEEDS[3].digest, "GenerationError: no such step")}
    assert SEEDS[3].digest not in {point.schedule.digest for point in found}
    told: list[int] = []
    before = len(call_arguments)
    again = Run(tmp_path / "run", SPACE, SEEDS, SETTINGS, price, Failed())
    assert figures(again.evolve(lambda p: bool(told.append(p.failed)))) == figures(found)
    assert len(call_arguments) == before
    assert told == [1]


def test_figures_that_are_not_finite_have_a_reason(tmp_path: Path) -> None:
    class Undecided(Made):
        def evaluate(self, jobs, more=None):
            for number, found in super().evaluate(jobs):
                own = jobs[number].schedule.digest == SEEDS[3].digest
                yield number, [float("nan"), *found[1:]] if own else found

    front(tmp_path / "run", Undecided())
    failed = {*read_run(tmp_path / "run").failures}
    assert len(failed) == 1
    assert "a figure that is not finite, for prompt" in failed.pop()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, dict[str, float]]]:
    return figures(front(tmp_path_factory.mktemp("unbroken"), Made()))


@pytest.mark.parametrize("at", [1, 40, 90])
def test_a_run_that_the_machine_ended_goes_on_to_the_front_of_the_unbroken_one(
    tmp_path: Path, at: int, unbroken: list[tuple[str, dict[str, float]]]
) -> None:
    count = 0

    def fails(job: Job) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise DeviceError("a machine that fails (OutOfMemoryError)", "one that lasts", "free memory")

    with pytest.raises(DeviceError):
        front(tmp_path / "run", Made(fails))
    assert not read_run(tmp_path / "run").failures
    assert figures(front(tmp_path / "run", Made(fails))) == unbroken


def test_a_run_that_three_lost_workers_ended_goes_on_to_the_front_of_the_unbroken_one(
    tmp_path: Path, unbroken: list[tuple[str, dict[str, float]]]
) -> None:
    class Deadly(WorkerGroup):
        """One worker, which is lost over each of some jobs."""

        size = 1

        def __init__(self, deadly: int) -> None:
            self.deadly, self.given = deadly, 0
            self.job: Job | None = None

        def give(self, worker: int, job: Job) -> None:
            self.job = job
            self.given += 1

        def wait(self, seconds: float | None = None) -> list[tuple[int, Outcome]]:
            assert self.job is not None
            return [(0, WorkerLost("ended by SIGKILL") if self.given >= self.deadly else answer(self.job, ""))]

        def end(self, worker: int) -> None:
            raise AssertionError("it answers in time")

        def stop(self) -> None:
            self.job = None

    for deadly in (5, 50):
        with pytest.raises(RunError, match="3 workers were lost"):
            front(tmp_path / "run", Deadly(deadly))
    assert figures(front(tmp_path / "run", Deadly(10**6))) == unbroken
