"""Clocks to time generations by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, process_time

PROCESSOR, WALL = "processor time", "wall time"


@dataclass(frozen=True)
class Clock:
    """Seconds from any origin.

    Attributes:
        name: what it counts, in words.
        seconds: the time of now.
    """

    name: str
    seconds: Callable[[], float]

    def __call__(self) -> float:
        """The time of now."""
        return self.seconds()


def fair_clock(device: object = "cpu", *, waits: bool = False) -> Clock:
    """Return the clock that other programs disturb least, and that still counts what a user waits for.

    On a CPU where one thread does all the work, that is the processor time of this process: what a clock on the wall
    shows on an idle machine. With several threads it is the clock on the wall. Processor time then adds up all threads,
    those that wait for one another by spinning included, and weighs what one thread does alone as little as what all do
    together; so ratios of it are not those of what a user waits for: they make a schedule that skips parallel work look
    faster than it is. A GPU is waited for at each look, on the wall.

    Args:
        device: where the pipeline computes.
        waits: whether what is timed also waits for a disk, which takes no processor time.
    """
    import torch

    found = torch.device(str(device))
    if found.type == "cuda":

        def waiting() -> float:
            torch.cuda.synchronize(found)
            return perf_counter()

        return Clock(WALL, waiting)
    alone = found.type == "cpu" and torch.get_num_threads() == 1 and not waits
    return Clock(PROCESSOR, process_time) if alone else Clock(WALL, perf_counter)


def clock_of(pipe: object, *, waits: bool = False) -> Clock:
    """Return the fair clock of a pipeline."""
    return fair_clock(getattr(pipe, "_execution_device", "cpu"), waits=waits)
