"""What video pipelines of full size hold and take on a GPU: untouched, under DeepCache's helper, ours, ours in less.

    python -m benchmarks.memory.gpu [--cases animatediff,svd] [--minutes 3.5] [--rounds 5]
    python -m benchmarks.memory.gpu --size tiny --device cpu --out FILE     # tries the benchmark itself, without a GPU

Weights are random, so pictures mean nothing; time and memory are real. What is held is the CUDA allocator's figure,
stage by stage, next to what was predicted. Rounds run all rows in changing order; ratios are taken within a round:
*speed-up* is over the untouched pipeline, of the whole call and of denoising alone; *lost* is the time that a budget
adds to the same schedule, as a share of the untouched time. A generation of more than `LONG` seconds is its own first
round. *Difference* is the largest one of a frame's values, which are in [0, 1], to the same schedule without a budget.
Other processes make the plans, without weights, while the GPU generates, unless they were made before
(`benchmarks.memory.ahead`). Results are written after every row.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging

from benchmarks.environment import write
from benchmarks.memory.ahead import Ask, Plans, planners
from benchmarks.memory.kernels import workspaces
from benchmarks.memory.rows import CASES, Case, Row, helped
from benchmarks.memory.table import table
from benchmarks.memory.watch import Taken, watched
from evocache import apply, discover
from evocache.memory.hardware import machine
from evocache.memory.planner.planner import MemoryPlan

LONG = 4.0
"""Seconds of an untouched generation from which the first one of each row is timed, too."""

MARGIN = 1.25
"""What is begun must fit so many times into the time that is left."""

Found = dict[str, Any]


def summary(values: Sequence[float]) -> Found:
    """Median, and the least and the most: rounds may be few."""
    return {"median": round(median(values), 4), "range": [round(min(values), 4), round(max(values), 4)]}


class Short(Exception):  # noqa: N818  (it ends a row, and is told as its result)
    """No time, or no plan."""


def told(plan: MemoryPlan) -> Found:
    """What a plan predicts and does, in bytes."""
    return {
        "predicted": {name: {**held._asdict(), "all": held.bytes} for name, held in plan.stages.items()},
        "predicted peak": plan.peak,
        "offload": plan.offload,
        "slices": sum(map(len, plan.cuts.values())),
        "decode slices": [cut.slices for cut in plan.decode.cuts.values()] if plan.decode else [],
        "to be moved": plan.moved,
        "predicted seconds lost": round(plan.seconds, 4),
    }


def _way(plan: MemoryPlan) -> tuple[Any, ...]:
    cuts = {name: cut for name, cut in plan.cuts.items() if cut}
    return cuts, plan.offload, plan.decode.cuts if plan.decode else {}, plan.capacity


class Measured:
    """One pipeline's rows.

    Args:
        case: the pipeline and its rows.
        options: of the command.
        left: seconds that are left.
        ask: gives plans.
        save: writes down what was found so far.
    """

    def __init__(
        self,
        case: Case,
        options: argparse.Namespace,
        left: Callable[[], float],
        ask: Ask,
        save: Callable[[Found], None],
    ) -> None:
        self.case = case
        self.left = left
        self.tiny = options.size == "tiny"
        self.device = torch.device(options.device)
        self.rounds = options.rounds
        self._ask = ask
        self._save = save
        self._plans: Plans | None = None
        self._outputs: dict[str | None, torch.Tensor] = {}
        self._first: dict[str, torch.Tensor] = {}
        self._samples: list[dict[str, Taken]] = []
        self.rows: dict[str, Found] = {}
        self.call = case.arguments(tiny=self.tiny)
        self.result: Found = {
            "model": case.full.name,
            "dtype": "float32" if self.tiny else str(case.full.dtype).removeprefix("torch."),
            "call": {key: value for key, value in self.call.items() if isinstance(value, int | float | str)},
            "rounds": 0,
        }

    def run(self) -> Found:
        """All rows, as far as time goes."""
        began = time.perf_counter()
        self.pipe = self.case.pipeline(self.options_device, tiny=self.tiny)
        self.model = discover(self.pipe)
        self._settle()
        self.result["making seconds"] = round(time.perf_counter() - began, 2)
        if self.device.type == "cuda":
            self.result["weights"] = torch.cuda.memory_allocated(self.device)
        self.guess = self._warmed()
        main = [row for row in self.case.rows if not row.once]
        for row in sorted(main, key=lambda row: row.budget is not None):  # plans are made meanwhile
            self._first_time(row)
        untouched = self.rows[main[0].name]
        if "seconds of the first" in untouched:
            self._rounds([row for row in main if "error" not in self.rows[row.name]])
        for row in self.case.rows:
            if row.once:
                self._first_time(row)
        self._in_place()
        return self.result

    @property
    def options_device(self) -> str:
        """The device as `torch.device` takes it."""
        return str(self.device)

    def _generate(self, steps: int | None = None) -> torch.Tensor:
        given = dict(self.call) if steps is None else {**self.call, "num_inference_steps": steps}
        made: torch.Tensor = self.pipe(**given, generator=torch.Generator().manual_seed(0))[0]
        return made

    def _warmed(self) -> float:
        """Generate in two steps, so that kernels are there; returns what a whole generation is guessed to take."""
        began = time.perf_counter()
        self._generate(2)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self._settle()
        seconds = time.perf_counter() - began
        self.result["warm-up seconds"] = round(seconds, 2)
        return seconds * self.call["num_inference_steps"] / 2

    def _settle(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _plan(self, row: Row) -> MemoryPlan | None:
        """The plan of a row; None where it has no budget.

        Raises:
            Short: if there is none.
        """
        if row.budget is None:
            return None
        if self._plans is None:
            began = time.perf_counter()
            self._plans = self._ask(next(n for n, c in CASES.items() if c is self.case), self.left())
            self.result["waited for plans"] = round(time.perf_counter() - began, 2)
            self.result["seconds of planning"] = round(self._plans["seconds"], 2)
            self.result["planned for"] = self._plans["machine"]
            for other in self.case.rows:
                if isinstance(self._plans.get(other.name), MemoryPlan) and other.name in self.rows:
                    self.rows[other.name].update(told(self._plans[other.name]))
        plan = self._plans[row.name]
        if not isinstance(plan, MemoryPlan):
            raise Short(f"the budget falls short by {plan} bytes")
        return plan

    @contextmanager
    def _on(self, row: Row) -> Iterator[Any]:
        if row.helper:
            with helped(self.pipe, row.helper):
                yield None
        elif row.spec is None:
            yield None
        else:
            with apply(self.pipe, row.spec, memory=self._plan(row)) as handle:
                yield handle

    def _time_for(self, row: Row) -> bool:
        untouched = self.rows.get(self.case.rows[0].name, {}).get("seconds of the first", self.guess)
        known = self.rows.get(row.name, {}).get("seconds of the first", untouched)
        return bool(MARGIN * known < self.left())

    def _first_time(self, row: Row) -> None:
        """A row's first generation: what it holds, moves, makes and takes."""
        found = self.rows.setdefault(row.name, {"name": row.name, "spec": row.spec, "budget": row.budget})
        try:
            if not self._time_for(row):
                raise Short("no time")
            self._settle()
            with self._on(row) as handle:
                taken = watched(self.pipe, self.model, self._generate, weigh=True)
                if handle is not None:
                    stats = handle.stats
                    found |= {
                        "cached at most": stats.peak_cached_bytes,
                        "moved": stats.moved_bytes,
                        "stalled": round(stats.stalled_seconds, 4),
                        "executed": round(stats.executed_fraction, 4),
                    }
                    if handle.memory is not None:
                        found |= told(handle.memory)
                        found["budget bytes"] = handle.memory.budget
            found |= self._seen(row, taken)
        except Exception as error:  # it is the row's result
            kind = "" if isinstance(error, Short) else f"{type(error).__name__}: "
            found["error"] = f"{kind}{str(error)[:400]}"
        self._settle()
        self._ratios(found)
        self._write()

    def _seen(self, row: Row, taken: Taken) -> Found:
        self._first[row.name] = taken.output
        if row.budget is None and not row.helper:
            self._outputs[row.spec] = taken.output
        alike = self._outputs.get(row.spec) if not row.helper else None
        output = taken.output
        return {
            "held": taken.held,
            "peak": max(taken.held.values()),
            "reserved": taken.reserved,
            "seconds of the first": round(taken.seconds, 4),
            "stages of the first": {name: round(seconds, 4) for name, seconds in taken.by_stage.items()},
            "finite": bool(output.isfinite().all()),
            "spread of values": round(float(output.std()), 4),
            **({"difference": float((output - alike).abs().max())} if alike is not None else {}),
        }

    def _rounds(self, rows: list[Row]) -> None:
        """Rounds in changing order, until there are enough or no time for another generation."""
        firsts = [self.rows[row.name]["seconds of the first"] for row in rows]
        shuffle = random.Random(0)
        if firsts[0] >= LONG:
            self._samples.append({row.name: self._known(row) for row in rows})
            self._summed(rows)
        while len(self._samples) < self.rounds:
            order = list(rows)
            shuffle.shuffle(order)
            order.sort(key=lambda row: row.spec is not None or bool(row.helper))  # a round that is cut short has it
            taken: dict[str, Taken] = {}
            for row in order:
                found = self.rows[row.name]
                if "error" in found or not self._time_for(row):
                    continue
                try:
                    with self._on(row):
                        taken[row.name] = watched(self.pipe, self.model, self._generate, weigh=False)
                except Exception as error:
                    found["error"] = f"{type(error).__name__}: {str(error)[:400]}"
                    continue
                apart = float((taken[row.name].output - self._first[row.name]).abs().max())
                found["difference when repeated"] = max(apart, found.get("difference when repeated", 0.0))
            if len(taken) < 2 or rows[0].name not in taken:
                break
            self._samples.append(taken)
            self._summed(rows)

    def _known(self, row: Row) -> Taken:
        found = self.rows[row.name]
        return Taken(torch.empty(0), found["seconds of the first"], found["stages of the first"])

    def _summed(self, rows: list[Row]) -> None:
        """Medians and ranges over the rounds so far."""
        self.result["rounds"] = len(self._samples)
        untouched = rows[0].name
        for row in rows:
            found, mine = self.rows[row.name], [s for s in self._samples if row.name in s]
            if not mine:
                continue
            found["seconds"] = summary([s[row.name].seconds for s in mine])
            found["denoising"] = summary([s[row.name].by_stage["denoise"] for s in mine])
            found["samples"] = [round(s[row.name].seconds, 4) for s in mine]
            found["samples of denoising"] = [round(s[row.name].by_stage["denoise"], 4) for s in mine]
            found["speed-up"] = summary([s[untouched].seconds / s[row.name].seconds for s in mine])
            ratios = [s[untouched].by_stage["denoise"] / s[row.name].by_stage["denoise"] for s in mine]
            found["speed-up of denoising"] = summary(ratios)
            base = Row(row.spec).name
            both = [s for s in mine if row.budget is not None and base in s]
            if both:
                lost = [(s[row.name].seconds - s[base].seconds) / s[untouched].seconds for s in both]
                found["lost"] = summary(lost)
        self._write()

    def _ratios(self, found: Found) -> None:
        """Predicted over measured, by stage."""
        if "predicted" in found and "held" in found:
            found["predicted / measured"] = {
                stage: round(found["predicted"][stage]["all"] / held, 4)
                for stage, held in found["held"].items()
                if held
            }

    def _in_place(self) -> None:
        """A budget as a user gives it, planned on the pipeline itself: whether the plan is that without weights."""
        row = next((r for r in self.case.rows if "predicted peak" in self.rows.get(r.name, {}) and r.budget), None)
        if row is None or self._plans is None or 4 * self._plans["seconds"] > self.left():
            return
        plan, budget = self._plans[row.name], self.rows[row.name]["budget bytes"]
        began = time.perf_counter()
        try:
            with apply(self.pipe, row.spec, memory=budget) as handle:  # type: ignore[arg-type]
                own = handle.plan(**self.call)
            same = _way(own) == _way(plan)
            said: Found = {"same": same, **told(own)}
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {str(error)[:400]}"}
        self.result["planned on the pipeline"] = {
            "row": row.name, "seconds": round(time.perf_counter() - began, 2), **said
        }  # fmt: skip
        self._write()

    def _write(self) -> None:
        for found in self.rows.values():
            self._ratios(found)
        self.result["rows"] = list(self.rows.values())
        self._save(self.result)


def run(options: argparse.Namespace) -> Found:
    """All cases, as far as time goes."""
    began, names = time.monotonic(), options.cases.split(",")
    for name in names:
        if name not in CASES:
            raise SystemExit(f"{name}: expected some of {','.join(CASES)}")
    device = torch.device(options.device)
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
        options.device = str(device)
    costs = machine(device)
    head: Found = {
        "what": (__doc__ or "").partition("\n")[0],
        "size": options.size,
        "device": options.device,
        "machine": vars(costs),
    }
    done: list[Found] = []

    def left() -> float:
        return float(60 * options.minutes - (time.monotonic() - began))

    with planners(names, options.size == "tiny", costs, device.type, options.processes, options.plans) as ask:
        if device.type == "cuda":
            head["workspaces"] = workspaces(device, torch.float16)
        for name in names:
            found: Found = {"case": name}

            def save(result: Found, found: Found = found) -> None:
                found.update(result)
                write(options.out, {**head, "cases": [*done, found]}, quiet=True)

            try:
                if left() < options.least:
                    raise Short("no time")
                save(Measured(CASES[name], options, left, ask, save).run())
            except Exception as error:  # the cases after it have their turns
                found["error"] = f"{type(error).__name__}: {str(error)[:400]}"
            done.append(found)
            found["seconds left after it"] = round(left(), 1)
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
            print(table(found), flush=True)
    result = {**head, "seconds": round(time.monotonic() - began, 1), "cases": done}
    write(options.out, result)
    return result


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="animatediff,svd,text-to-video-sd", help=f"some of {','.join(CASES)}")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny tries the benchmark itself")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=3.5, help="nothing is begun that would take longer")
    parser.add_argument("--least", type=float, default=15.0, help="seconds that must be left to begin with a case")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=4, help="that make plans meanwhile")
    parser.add_argument("--plans", help="file of plans that were made before, by `python -m benchmarks.memory.ahead`")
    parser.add_argument("--out", default="memory-gpu", help="name of the result")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU here, so nothing was measured; --size tiny --device cpu tries the benchmark itself")
        return
    diffusers_logging.set_verbosity_error()
    run(options)


if __name__ == "__main__":
    main()
