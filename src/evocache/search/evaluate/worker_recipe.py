"""Recipes: how a worker, in another process or on another machine, makes the evaluator that this process has."""

from __future__ import annotations

import io
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch

from ...errors import RunError
from ...memory.planner.planner import Machine
from ..run import Evaluator
from ..storage.run_identity import Part, describe_mismatch
from .fingerprint import fingerprint
from .job_times import Pace
from .local import LocalEvaluator
from .process_pool import PoolEvaluator
from .quality import Quality, quality
from .rewards import Reward
from .worker_group import WorkerGroup
from .workload import Workload

Load = Callable[[], Any]
"""Makes a pipeline; it must be picklable."""


@dataclass(frozen=True)
class Recipe:
    """What makes an evaluator: a picklable function of the worker's number.

    Attributes:
        load: makes the pipeline.
        workload: what is evaluated on.
        judge: names, or is, the quality.
        threads: that the worker computes with.
        gpu: whether the pipeline is to run on a GPU; workers of one machine take turns at its GPUs.
        within: bytes that no generation may hold.
        machine: what memory plans go by, the same for all workers.
        parts: of the identity that what is loaded must have; None where it is a copy.
    """

    load: Load
    workload: Workload
    judge: str | Quality | Reward
    threads: int
    gpu: bool
    within: int | None = None
    machine: Machine | None = None
    parts: Mapping[str, Part] | None = None

    def __call__(self, worker: int) -> LocalEvaluator:
        """The evaluator of a worker.

        Raises:
            IdentityError: if what is loaded is another pipeline than the run's.
        """
        torch.set_num_threads(self.threads)
        pipe = self.load()
        if self.parts is not None:
            found = fingerprint(pipe, self.workload, quality(self.judge))
            if found != dict(self.parts):
                mend = "let load make the very pipeline that is evolved"
                raise describe_mismatch("a worker's pipeline", found, self.parts, mend)
        if self.gpu and (count := torch.cuda.device_count()):
            pipe.to(f"cuda:{worker % count}")
        return LocalEvaluator(pipe, self.workload, quality(self.judge), self.within, self.machine)


@dataclass(frozen=True)
class Stored:
    """A pipeline in a file, whose weights the processes of a machine share."""

    path: Path

    def __call__(self) -> Any:
        """The pipeline."""
        return torch.load(self.path, map_location="cpu", mmap=True, weights_only=False)


@dataclass(frozen=True)
class Packed:
    """A pipeline as bytes, which travel to other machines."""

    data: bytes = field(repr=False)

    def __call__(self) -> Any:
        """The pipeline."""
        return torch.load(io.BytesIO(self.data), map_location="cpu", weights_only=False)


@contextmanager
def spread(
    local: LocalEvaluator,
    judge: str | Quality | Reward,
    *,
    workers: int = 1,
    ray: str | None = None,
    load: Load | None = None,
    parts: Mapping[str, Part] | None = None,
) -> Iterator[Evaluator]:
    """Provide an evaluator within the context that answers as the local one does, with more hands.

    Args:
        local: the evaluator of this process, used as it is where nothing else is asked for.
        judge: what its quality was named by.
        workers: processes of this machine.
        ray: address of a Ray cluster, or `auto`, to use all of it instead.
        load: makes the pipeline in a worker; else this process's pipeline is copied.
        parts: of the identity that what `load` makes must have.

    Raises:
        RunError: if the pipeline or the judge cannot be sent to workers, or there is no cluster.
    """
    if workers < 1:
        raise RunError(f"{workers} workers", "1 or more", "raise the number")
    if workers == 1 and ray is None:
        yield local
        return
    gpu = torch.device(getattr(local.pipe, "_execution_device", "cpu")).type == "cuda"
    parts = parts if load is not None else None
    with ExitStack() as kept:
        if ray is not None:
            from .ray import RayEvaluator

            recipe = Recipe(
                load or _packed(local.pipe), local.workload, judge, 1, gpu, local.within, local.machine, parts
            )
            group: WorkerGroup = RayEvaluator(_sendable(recipe), ray, gpu=gpu)
        else:
            threads = max(1, torch.get_num_threads() // workers)
            stored = load or kept.enter_context(_stored(local.pipe))
            recipe = Recipe(stored, local.workload, judge, threads, gpu, local.within, local.machine, parts)
            group = PoolEvaluator(_sendable(recipe), workers)
        if local.step_equivalents:  # workers have a share of the threads that this process has
            group.pace = Pace(local.seconds / local.step_equivalents * (1 if gpu else torch.get_num_threads()))
        with group:
            yield group


@contextmanager
def _stored(pipe: Any) -> Iterator[Stored]:
    """Within the context, a copy of a pipeline in a file; one without a name, where others can open it nevertheless.

    Such a file goes with the process, however that ends.
    """
    with ExitStack() as kept:
        file = kept.enter_context(tempfile.TemporaryFile(prefix="evocache-pipe-"))
        path = Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
        if path.exists():
            _save(pipe, file)
            file.flush()
        else:
            path = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="evocache-pipe-"))) / "pipe.pt"
            _save(pipe, path)
        yield Stored(path)


def _packed(pipe: Any) -> Packed:
    buffer = io.BytesIO()
    _save(pipe, buffer)
    return Packed(buffer.getvalue())


def _save(pipe: Any, file: os.PathLike[str] | IO[bytes]) -> None:
    try:
        torch.save(pipe, file)
    except OSError:
        raise
    except Exception as error:  # pickling calls whatever code the parts of a pipeline bring along
        raise _unsendable(type(pipe).__name__, error, "give load=, a function of a module that loads it") from error


def _sendable(recipe: Recipe) -> Recipe:
    try:
        pickle.dumps(recipe)
    except Exception as error:
        raise _unsendable("what loads or judges", error, "name functions of modules, no lambdas") from error
    return recipe


def _unsendable(what: str, error: Exception, mend: str) -> RunError:
    why = f"{type(error).__name__}: {error}"
    return RunError(f"{what}, which cannot be sent to workers ({why})", "something that can be pickled", mend)
