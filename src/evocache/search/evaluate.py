"""Evaluating schedules on a live pipeline, in this process."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch

from ..errors import Error, RunError
from ..model import discover
from ..runtime import apply
from ..schedule import Schedule, Tree
from .evolution import Job
from .quality import Quality
from .workload import Workload


class LocalEvaluator:
    """Runs jobs one after the other on one pipeline. The uncached outputs are made once and kept.

    Args:
        pipe: the pipeline; it is left as it was.
        workload: prompts, seeds and call.
        quality: how outputs are judged.

    Raises:
        RunError: if the pipeline cannot run the workload uncached, or cannot give the output that the quality needs.
    """

    def __init__(self, pipe: Any, workload: Workload, quality: Quality) -> None:
        self.pipe = pipe
        self.workload = workload
        self.quality = quality
        self.tree: Tree = discover(pipe).tree
        self.steps = 0
        """Steps of a generation, as the scheduler counts them; known after the first uncached one."""
        self.calls = 1
        """Denoiser calls in a step."""
        self.seconds = 0.0
        """Time spent in generations so far."""
        self.step_equivalents = 0.0
        """Denoiser steps of one prompt spent so far, a skipped step counting as the share that is executed."""
        self._references: dict[int, np.ndarray[Any, np.dtype[Any]]] = {}
        self._takes_prompts = "prompt" in inspect.signature(type(pipe).__call__).parameters

    def evaluate(self, jobs: Sequence[Job]) -> list[list[float]]:
        """Errors of each job's schedule on its prompts, lower is better; infinite where a generation failed."""
        return [self.errors(job.schedule, job.prompts) for job in jobs]

    def errors(self, schedule: Schedule, prompts: Sequence[int]) -> list[float]:
        """Errors of a schedule on prompts. What fails on one candidate counts as infinitely bad, and goes on."""
        out: list[float] = []
        for numbers in self.workload.batches(prompts):
            references = self.references(numbers)
            try:
                with apply(self.pipe, schedule) as handle:
                    outputs = self.generate(numbers)
                    self.step_equivalents += handle.stats.executed_fraction * self.steps * len(numbers)
                texts = [self.workload.prompts[n] for n in numbers]
                out += [
                    float(e) if math.isfinite(e) else math.inf for e in self.quality.measure(outputs, references, texts)
                ]
            except (MemoryError, RunError):
                raise
            except Exception:
                out += [math.inf] * len(numbers)
        return out

    def references(self, numbers: Sequence[int]) -> np.ndarray[Any, np.dtype[Any]]:
        """Uncached outputs of prompts, (n, ...)."""
        missing = [n for n in numbers if n not in self._references]
        for part in self.workload.batches(missing):
            self._references.update(zip(part, self.uncached(part), strict=True))
        return np.stack([self._references[n] for n in numbers])

    def uncached(self, numbers: Sequence[int]) -> np.ndarray[Any, np.dtype[Any]]:
        """Generate without caching, and learn the number of steps.

        Raises:
            RunError: if the pipeline fails.
        """
        with apply(self.pipe, "none") as handle:
            try:
                outputs = self.generate(numbers)
            except Error:
                raise
            except Exception as error:
                raise RunError(
                    f"a pipeline that fails uncached ({type(error).__name__}: {error})",
                    "a pipeline that runs on these prompts",
                    "run it by hand first",
                ) from error
            schedule = handle.stats.schedule
            assert schedule is not None
            self.steps = schedule.steps
            self.calls = max(1, round(max(handle.stats.calls.values()) / self.steps))
        self.step_equivalents += self.steps * len(numbers)
        return outputs

    def generate(self, numbers: Sequence[int]) -> np.ndarray[Any, np.dtype[Any]]:
        """Outputs of prompts under whatever is applied, (n, ...)."""
        call = {**self.workload.call, "output_type": self.quality.output, "return_dict": False}
        if self._takes_prompts:
            call["prompt"] = [self.workload.prompts[n] for n in numbers]
        device = getattr(self.pipe, "_execution_device", "cpu")
        kind = device if torch.device(device).type == "cuda" else "cpu"
        call["generator"] = [torch.Generator(kind).manual_seed(self.workload.seeds[n]) for n in numbers]
        began = perf_counter()
        output = self.pipe(**call)[0]
        self.seconds += perf_counter() - began
        array = output.float().cpu().numpy() if isinstance(output, torch.Tensor) else np.asarray(output)
        if len(array) != len(numbers):
            raise RunError(
                f"{len(array)} outputs for {len(numbers)} prompts", "one for each", "choose --quality psnr or ssim"
            )
        return array
