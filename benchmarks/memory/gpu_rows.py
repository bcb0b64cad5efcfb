"""The rows of one pipeline on a device, measured in interleaved rounds as far as time goes."""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import torch

from benchmarks.memory.ahead import Ask, Plans
from benchmarks.memory.plan_figures import describe_plan, way_of
from benchmarks.memory.rows import CASES, Case, Row, helped
from benchmarks.memory.watch import Taken, watched
from benchmarks.timing import summarise_range
from evocache import apply, discover
from evocache.memory.planner.planner import MemoryPlan
from evocache.metrics.timing import run_rounds, shuffle_by

LONG = 4.0
"""Seconds of an untouched generation from which the first one of each row is timed, too."""

MARGIN = 1.25
"""What is begun must fit so many times into the time that is left."""

Found = dict[str, Any]


class Short(Exception):  # noqa: N818  (it ends a row, and is told as its result)
    """No time, or no plan."""


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
                    self.rows[other.name].update(describe_plan(self._plans[other.name]))
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
                        found |= describe_plan(handle.memory)
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
        if firsts[0] >= LONG:
            self._samples.append({row.name: self._known(row) for row in rows})
            self._summed(rows)
        untouched = {row.name for row in rows if row.spec is None and not row.helper}

        def untouched_first(names: Sequence[str], number: int) -> Sequence[str]:
            """Order rows by chance, the untouched pipeline first: a round that is cut short has it."""
            return sorted(shuffle_by(0)(names, number), key=lambda name: name not in untouched)

        again = {row.name: partial(self._again, row) for row in rows}
        for found in islice(run_rounds(again, untouched_first), max(0, self.rounds - len(self._samples))):
            taken = {name: own for name, own in found.items() if own is not None}
            if len(taken) < 2 or rows[0].name not in taken:
                break
            self._samples.append(taken)
            self._summed(rows)

    def _again(self, row: Row) -> Taken | None:
        """Another generation of a row; None where there is no time for it, or it failed."""
        found = self.rows[row.name]
        if "error" in found or not self._time_for(row):
            return None
        try:
            with self._on(row):
                taken = watched(self.pipe, self.model, self._generate, weigh=False)
        except Exception as error:
            found["error"] = f"{type(error).__name__}: {str(error)[:400]}"
            return None
        apart = float((taken.output - self._first[row.name]).abs().max())
        found["difference when repeated"] = max(apart, found.get("difference when repeated", 0.0))
        return taken

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
            found["seconds"] = summarise_range([s[row.name].seconds for s in mine])
            found["denoising"] = summarise_range([s[row.name].by_stage["denoise"] for s in mine])
            found["samples"] = [round(s[row.name].seconds, 4) for s in mine]
            found["samples of denoising"] = [round(s[row.name].by_stage["denoise"], 4) for s in mine]
            found["speed-up"] = summarise_range([s[untouched].seconds / s[row.name].seconds for s in mine])
            ratios = [s[untouched].by_stage["denoise"] / s[row.name].by_stage["denoise"] for s in mine]
            found["speed-up of denoising"] = summarise_range(ratios)
            base = Row(row.spec).name
            both = [s for s in mine if row.budget is not None and base in s]
            if both:
                lost = [(s[row.name].seconds - s[base].seconds) / s[untouched].seconds for s in both]
                found["lost"] = summarise_range(lost)
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
            same = way_of(own) == way_of(plan)
            said: Found = {"same": same, **describe_plan(own)}
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
