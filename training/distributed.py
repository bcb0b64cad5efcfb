"""Two single-thread processes share the work; gradients are averaged through one flat buffer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn


class FlatModel:
    """Parameters and their gradients as views of one buffer each.

    One all-reduce, one clip, one fused optimiser step and one EMA update per step instead of
    hundreds of small ones. The last gradient slot carries rank 0's training progress, so that
    every rank sees the same learning rate and stops at the same step.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], world: int) -> None:
        self.parameters = list(parameters)
        self.world = world
        total = sum(p.numel() for p in self.parameters)
        self.data = torch.cat([p.detach().float().reshape(-1) for p in self.parameters])
        if world > 1:
            dist.broadcast(self.data, 0)
        self.grads = self.data.new_zeros(total + 1)
        self.flat = nn.Parameter(self.data)
        self.flat.grad = self.grads[:-1]
        self.ema = self.data.clone()
        offset = 0
        for p in self.parameters:
            p.data = self.data[offset : offset + p.numel()].view_as(p)
            p.grad = self.grads[offset : offset + p.numel()].view_as(p)
            offset += p.numel()

    def reduce(self, progress: float, rank: int, clip: float) -> tuple[float, float]:
        """Average the gradients over ranks and clip; returns (progress of rank 0, norm)."""
        self.grads[-1] = progress * self.world if rank == 0 else 0.0
        if self.world > 1:
            dist.all_reduce(self.grads)
            self.grads.div_(self.world)
        shared = float(self.grads[-1])
        norm = float(self.grads[:-1].norm())
        if norm > clip:
            self.grads[:-1].mul_(clip / norm)
        return shared, norm

    def update_ema(self, decay: float) -> None:
        """Move the running average a step towards the present weights."""
        self.ema.lerp_(self.data, 1 - decay)

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"data": self.data, "ema": self.ema}

    def load(self, state: dict[str, Tensor]) -> None:
        """From a checkpoint."""
        self.data.copy_(state["data"])
        self.ema.copy_(state["ema"])

    def swap_in_ema(self) -> None:
        """Write the averaged weights into the model (for export; training ends here)."""
        self.data.copy_(self.ema)


class Clock:
    """Minutes of training, kept over restarts, as progress in [0, 1] of a budget."""

    def __init__(self, minutes: float, spent_seconds: float = 0.0) -> None:
        self.budget = minutes * 60
        self.begin = time.monotonic() - spent_seconds

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return time.monotonic() - self.begin

    @property
    def progress(self) -> float:
        """Share of the budget that is spent."""
        return min(1.0, self.seconds / self.budget)


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint so that a stop in the middle leaves the previous one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _start(rank: int, work: Callable[..., None], world: int, store: str, args: Any) -> None:
    torch.set_num_threads(1)
    if world > 1:
        # Linux shares a busy CPU out by session first (autogroup): in the session of the shell both
        # processes together, and everything else started there, would get one share.
        os.setsid()
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
    work(rank, world, args)
    if world > 1:
        dist.destroy_process_group()


def launch(work: Callable[[int, int, Any], None], world: int, args: Any) -> None:
    """Run `work(rank, world, args)` in `world` processes of one thread each."""
    # Spinning OpenMP threads steal time from the other process.
    os.environ.update(OMP_NUM_THREADS="1", GOMP_SPINCOUNT="0")
    if world == 1:
        _start(0, work, 1, "", args)
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{folder}/store"
        mp.spawn(_start, (work, world, store, args), nprocs=world)
