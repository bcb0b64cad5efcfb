"""The training loop of the later models: what `dit` does, for any loss."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.distributed import Clock, FlatModel, save
from training.dit import rate
from training.graphed import Graphed, Loss, backward
from training.muon import MuonAdamW, order
from training.paths import CACHE
from training.precision import hardware

#: (numbers of this process) -> one batch: what the loss is of, each with a row for every sample.
Draw = Callable[[np.random.Generator], tuple[Tensor, ...]]


def options(description: str | None, *, minutes: float, batch: int, checkpoint: str) -> argparse.ArgumentParser:
    """The arguments that every training has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, default=minutes, help="of training in all, over restarts")
    parser.add_argument("--batch", type=int, default=batch, help="per process")
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--muon-rate", type=float, default=2e-3)
    parser.add_argument("--muon", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"), help="cuda: with --processes 1")
    parser.add_argument("--work", type=Path, default=CACHE, help="folder of the checkpoint")
    parser.add_argument("--checkpoint", default=checkpoint)
    parser.add_argument("--every", type=int, default=50, help="steps between two lines of the log")
    return parser


def fit(rank: int, world: int, args: argparse.Namespace, modules: Sequence[nn.Module], draw: Draw, loss: Loss) -> None:
    """Train what learns in `modules` for `args.minutes`, going on from the checkpoint if there is one.

    On a GPU a step is a CUDA graph, unless the loss cannot be one.
    """
    for module in modules:
        module.to(args.device)
    parameters, matrices = order(modules, args.muon)
    flat = FlatModel(parameters, world)
    optimiser = MuonAdamW(flat, matrices, rank)
    step, spent, samples = 0, 0.0, 0
    checkpoint = args.work / args.checkpoint
    if checkpoint.exists():
        stored: dict[str, Any] = torch.load(checkpoint, map_location=args.device)
        flat.load(stored["flat"])
        optimiser.load(stored["optimiser"])
        _load_buffers(modules, stored["buffers"])
        step, spent, samples = stored["step"], stored["seconds"], stored["samples"]
    torch.manual_seed(1 + rank + 1000 * step)
    rng = np.random.default_rng([rank, step])
    clock, saved, log = Clock(args.minutes, spent), spent, []
    begun = samples
    # Not from the clock: every rank has to take the same decision.
    progress = spent / (args.minutes * 60)
    if progress >= 1:
        return
    gradients = _gradients(args.device, loss, draw(rng))
    while progress < 1:
        batch = draw(rng)
        flat.grads.zero_()
        value = gradients(*batch)
        progress, norm = flat.reduce(clock.progress, rank, 1.0)
        share = rate(progress, step)
        optimiser.step(args.muon_rate * share, args.rate * share)
        step, samples = step + 1, samples + len(batch[0]) * world
        flat.update_ema(min(0.9985, step / (step + 10)))
        log.append(value.item())
        if rank == 0 and step % args.every == 0:
            mean, speed = float(np.mean(log[-args.every :])), (samples - begun) / max(clock.seconds - spent, 1e-3)
            line = f"{step} {clock.seconds:.0f}s {samples} loss {mean:.4f} norm {norm:.2f}, {speed:.1f} samples/s"
            print(line, flush=True)
        if rank == 0 and (clock.seconds - saved > 150 or progress >= 1):
            saved = clock.seconds
            state = {"flat": flat.state(), "optimiser": optimiser.state(), "muon": args.muon}
            state["hardware"] = hardware(args.device)
            state["buffers"] = [dict(module.named_buffers()) for module in modules]
            save({**state, "step": step, "seconds": saved, "samples": samples}, checkpoint)


def _gradients(device: torch.device, loss: Loss, batch: tuple[Tensor, ...]) -> Loss:
    """The loss of a batch, which adds its gradients."""
    if device.type == "cuda":
        try:
            return Graphed(loss, batch)
        except RuntimeError as error:
            print(f"no graph: {error}", flush=True)
    return backward(loss)


def restore(modules: Sequence[nn.Module], path: Path, *, averaged: bool = True) -> dict[str, Any]:
    """Fill what learns in `modules` from a checkpoint; returns {step, samples, seconds}."""
    stored = torch.load(path, map_location="cpu")
    parameters, _ = order(modules, stored["muon"])
    flat = FlatModel(parameters, 1)
    flat.load(stored["flat"])
    if averaged:
        flat.swap_in_ema()
    _load_buffers(modules, stored["buffers"])
    for module in modules:
        module.requires_grad_(False).eval()
    return {key: stored[key] for key in ("step", "samples", "seconds")}


def _load_buffers(modules: Sequence[nn.Module], stored: Sequence[dict[str, Tensor]]) -> None:
    """Running statistics and the like, which the optimiser does not know."""
    for module, values in zip(modules, stored, strict=True):
        for name, buffer in module.named_buffers():
            buffer.copy_(values[name])
