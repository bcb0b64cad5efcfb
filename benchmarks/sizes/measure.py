"""One model: what every contender holds and executes, and rounds of timings, written down as they come."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.peers.contender import UNCACHED, Contender, Session
from benchmarks.peers.timing import EVERY, ratios, summary
from benchmarks.peers.watch import held_bytes, pristine, working
from benchmarks.sizes import graphs
from benchmarks.sizes.models import Sample
from evocache.metrics.timing import measure_seconds, shuffle_by

Row = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """How much is measured.

    Attributes:
        rounds: timings of each contender.
        left: seconds that are left; nothing is begun that would take longer.
    """

    rounds: int
    left: Callable[[], float]


def measure(
    sample: Sample,
    contenders: Sequence[Contender],
    limits: Limits,
    save: Callable[[Row], None],
    *,
    compiled: bool = False,
) -> Row:
    """All figures of a model; `save` is given them after each contender and each stretch of timings.

    What a contender holds and executes is watched in a generation of its own. Timings are taken as for
    `benchmarks.peers`: stretches of contenders in shuffled order between uncached generations, ratios within a stretch.
    What a contender raises is its result, and it is not timed.

    Args:
        sample: the pipeline.
        contenders: the untouched pipeline first.
        limits: rounds, and the time there is.
        save: writes the figures down.
        compiled: whether blocks are compiled: then work is not counted, since hooks inside would break their graphs,
            everything, the uncached pipeline too, generates once before it is timed, and all graphs are kept
            (`graphs.kept`) and counted: those of a contender, and those that were made while it was timed.

    Returns:
        The figures. `restored` tells whether the pipeline generates the same bits as at first; None: no time to look.
    """
    with graphs.kept() if compiled else nullcontext():
        return _measure(sample, contenders, limits, save, compiled)


def _measure(
    sample: Sample, contenders: Sequence[Contender], limits: Limits, save: Callable[[Row], None], compiled: bool
) -> Row:
    steps = contenders[0].steps
    result: Row = {"model": sample.name, "steps": steps, "compiled": compiled, "rounds": 0, "rows": []}
    figures: dict[str, Row] = {}
    if limits.left() <= 0:
        return {**result, "left out": "no time"}
    with settled():
        began = time.perf_counter()
        reference = generate(sample, Session(), steps)  # what is made once, and stays, is no contender's
        result["warm-up seconds"] = round(time.perf_counter() - began, 4)
        for contender in contenders:
            _watch(sample, contender, figures, result, limits, reference.cpu())
            save(result)
    worth = [c for c in contenders if c.family != UNCACHED and _works(figures.get(c.name, {"error": ""}))]
    _time(sample, worth, figures, limits, save, result)
    time_to_look = _takes(figures.get(UNCACHED, {}), result) <= limits.left()
    result["restored"] = torch.equal(sample.run(steps), reference) if time_to_look else None
    save(result)
    return result


def _watch(
    sample: Sample, contender: Contender, figures: dict[str, Row], result: Row, limits: Limits, reference: torch.Tensor
) -> None:
    """Figures of one contender, if there is time, into the result, and by name into `figures`."""
    row: Row = {"name": contender.name, "family": contender.family, "settings": dict(contender.settings)}
    result["rows"].append(row)
    longest = max((_takes(found, result) for found in figures.values()), default=result["warm-up seconds"])
    if longest + figures.get(UNCACHED, {}).get("first seconds", 0.0) > limits.left():
        row["left out"] = "no time"
        return
    row |= watched(sample, contender, count=not result["compiled"])
    latents = row.pop("latents", None)
    row["no-op"] = contender.family != UNCACHED and latents is not None and torch.equal(latents, reference)
    figures[contender.name] = row
    whole = figures.get(UNCACHED, {}).get("multiply-adds")
    row["executed"] = round(row["multiply-adds"] / whole, 4) if whole and "multiply-adds" in row else None


def _takes(row: Row, result: Row) -> float:
    """Seconds of what has figures, once it is put on, with what compiles; of what has none, those of the warm-up."""
    known: float | None = row.get("first seconds")
    seconds: float = result["warm-up seconds"] if known is None else known + row.get("compiling seconds", 0.0)
    return seconds


@contextmanager
def settled() -> Iterator[None]:
    """Within the context only what is made in it is looked through for what is alive: all else is much, and stays."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _works(row: Row) -> bool:
    return "error" not in row and not row["no-op"]


def _time(
    sample: Sample,
    contenders: Sequence[Contender],
    figures: dict[str, Row],
    limits: Limits,
    save: Callable[[Row], None],
    result: Row,
) -> None:
    """Rounds until there are enough, or no time for another stretch."""
    compiled, steps = result["compiled"], result["steps"]
    if "first seconds" not in figures.get(UNCACHED, {}):
        return
    by_name = {contender.name: contender for contender in contenders}
    speedups: dict[str, list[float]] = {}
    uncached: list[float] = []
    own = figures[UNCACHED]["first seconds"]
    takes = {c.name: _takes(figures[c.name], result) for c in contenders}

    def timed(name: str, session: Session, steps: int) -> tuple[str, float]:
        if not compiled:
            return name, _seconds(sample, session, steps)
        generate(sample, session, steps)
        before = graphs.counted()
        seconds = _seconds(sample, session, steps)
        row = figures[name]
        row["graphs while timed"] = row.get("graphs while timed", 0) + graphs.since(before)["graphs"]
        return name, seconds

    for number in range(limits.rounds if contenders else 0):
        order = [by_name[name] for name in shuffle_by(0)(list(by_name), number)]
        for start in range(0, len(order), EVERY):
            stretch = [c for c in order[start : start + EVERY] if _works(figures[c.name])]
            needed = sum(takes[c.name] for c in stretch) + own * (2 * (1 + compiled) + 1)  # and a look at the end
            if needed > limits.left():
                return
            taken = [timed(UNCACHED, Session(), steps)]
            for contender in stretch:
                began = time.perf_counter()
                try:
                    with pristine(sample.pipe, sample.denoiser, set()), contender.on(sample.pipe) as session:
                        taken.append(timed(contender.name, session, contender.steps))
                except Exception as exception:
                    figures[contender.name]["error"] = _told(exception)
                takes[contender.name] = time.perf_counter() - began
            taken.append(timed(UNCACHED, Session(), steps))
            uncached += [seconds for name, seconds in taken if name == UNCACHED]
            for name, ratio in ratios(taken).items():
                speedups.setdefault(name, []).append(ratio)
            for name, found in summary(speedups).items():
                figures[name] |= {**found, "timings": len(speedups[name])}
            result["uncached seconds"] = summary({UNCACHED: uncached})[UNCACHED]["speedup"]
            save(result)
        result["rounds"] = number + 1


def watched(sample: Sample, contender: Contender, *, count: bool) -> Row:
    """One generation: what it executes, caches and leaves behind, or what it raises."""
    peak, left = 0, set[str]()

    def after(module: Any, args: Any, output: Any) -> None:
        nonlocal peak
        peak = max(peak, held_bytes(session.roots()))

    device = sample.denoiser.device
    row: Row = {}
    before = living(device)
    with pristine(sample.pipe, sample.denoiser, left):
        try:
            with contender.on(sample.pipe) as session, _counted(sample, count) as work:
                listener = sample.denoiser.register_forward_hook(after)
                try:
                    if not count:
                        row |= _compiling(sample, session, contender.steps)
                    if device.type == "cuda":
                        torch.cuda.reset_peak_memory_stats(device)
                    began = time.perf_counter()
                    latents = generate(sample, session, contender.steps)
                finally:
                    listener.remove()
                row["first seconds"] = round(time.perf_counter() - began, 4)
                row["cached bytes"] = max(peak, session.peak() if session.peak else 0)
                if device.type == "cuda":
                    row["peak allocated bytes"] = torch.cuda.max_memory_allocated(device)
                row["latents"] = latents.cpu()
                del latents
                row["bytes alive after the call"] = living(device) - before - _bytes(row["latents"], device)
                if work is not None:
                    row["multiply-adds"] = work.multiply_adds
        except Exception as exception:  # whatever a peer raises is its result
            row = {"error": _told(exception)}
    return {**row, "left behind": sorted(left)}


def _compiling(sample: Sample, session: Session, steps: int) -> Row:
    """The first generation of what was put on a pipeline with compiled blocks: its seconds, and what dynamo made."""
    before, began = graphs.counted(), time.perf_counter()
    generate(sample, session, steps)
    return {"compiling seconds": round(time.perf_counter() - began, 4), **graphs.since(before)}


def _told(exception: Exception) -> str:
    return f"{type(exception).__name__}: {str(exception)[:300]}"


def _bytes(kept: torch.Tensor, device: torch.device) -> int:
    """Of what the benchmark itself keeps, what lies on the device."""
    return kept.untyped_storage().nbytes() if device.type == "cpu" else 0


@contextmanager
def _counted(sample: Sample, count: bool) -> Iterator[Any]:
    if not count:
        yield None
        return
    with working(sample.denoiser) as work:
        yield work


def living(device: torch.device) -> int:
    """Bytes of all tensors that are alive on a device: the allocator's figure, or on a CPU storage by storage."""
    gc.collect()
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    storages: dict[int, int] = {}
    for thing in gc.get_objects():
        if type(thing) in (torch.Tensor, torch.nn.Parameter) and thing.device.type == "cpu":  # none of a compiler's
            storages[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
    return sum(storages.values())


def generate(sample: Sample, session: Session, steps: int) -> torch.Tensor:
    """Latents of a generation under what is applied, done when the device has done it."""
    with session.around():
        latents = sample.run(steps)
    if latents.is_cuda:
        torch.cuda.synchronize(latents.device)
    return latents


def _seconds(sample: Sample, session: Session, steps: int) -> float:
    return measure_seconds(lambda: generate(sample, session, steps))
