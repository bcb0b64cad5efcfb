"""One generation by the clock and by the allocator: seconds and peaks, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from evocache.model import Model
from evocache.runtime.estimate.acts import STAGES
from evocache.runtime.estimate.measure import describe_stages, measure


@dataclass
class Taken:
    """What was seen of a generation.

    Attributes:
        output: what it made, on the CPU.
        seconds: of the whole call.
        by_stage: seconds of each stage.
        held: bytes that each stage held at most, weights included; empty if nobody looked.
        reserved: bytes that the allocator had of the device at most; 0 on a CPU.
    """

    output: torch.Tensor
    seconds: float
    by_stage: dict[str, float] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    reserved: int = 0


def watched(pipe: Any, model: Model, call: Callable[[], torch.Tensor], *, weigh: bool) -> Taken:
    """Call a pipeline and watch it.

    On a GPU memory is the allocator's, which costs nothing to look at. On a CPU tensors are counted one by one in a
    second generation, which takes its time.

    Args:
        pipe: the pipeline; it may be accelerated.
        model: its denoisers.
        call: calls it.
        weigh: whether memory is counted on a CPU, too.
    """
    device = torch.device(pipe._execution_device)
    stages = _Stages(device)
    with describe_stages(pipe, model, stages.turn):
        stages.turn(STAGES[0])
        output = call()
        stages.turn("over")
    seconds = sum(stages.seconds.values())
    taken = Taken(output.float().cpu(), seconds, stages.seconds, stages.held, stages.reserved)
    if weigh and device.type != "cuda":
        taken.held = {stage: held.bytes for stage, held in measure(pipe, model, call).items()}
    return taken


class _Stages:
    """Seconds and peaks from turn to turn."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self.held: dict[str, int] = {}
        self.reserved = 0
        self._cuda = device.type == "cuda"
        self._device = device
        self._now: str | None = None
        self._known: set[str] = set()
        self._began = 0.0

    def turn(self, stage: str) -> None:
        """A stage begins, unless it did before; the one before it ends."""
        if stage in self._known:
            return
        self._known.add(stage)
        if self._cuda:
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        if self._now is not None:
            self.seconds[self._now] = now - self._began
            if self._cuda:
                self.held[self._now] = torch.cuda.max_memory_allocated(self._device)
                self.reserved = max(self.reserved, torch.cuda.max_memory_reserved(self._device))
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(self._device)
        self._now, self._began = stage, time.perf_counter()
