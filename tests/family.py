"""A tiny pipeline with what an untouched run of it shows: its output, and when it calls its denoisers."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from diffusers import DiffusionPipeline, SchedulerMixin

from evocache.model import Model, discover
from evocache.schedule import Schedule, Tree
from tests.tiny import Tiny

Program = Callable[[Tree, int], Schedule]
"""What makes a schedule for a tree and a number of steps: `parse("fora:2").schedule`."""


@dataclass
class Pass:
    """How one denoiser was called in a run: steps of its scheduler, the first step, rows, calls a step."""

    steps: int
    start: int
    rows: int
    branches: int


@dataclass
class Timeline:
    """Calls of denoisers by scheduler step, as an observer outside the library sees them."""

    total: int = 0
    step: int = 0
    calls: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def passes(self) -> dict[str, Pass]:
        """What was seen, by denoiser."""
        out = {}
        for name, seen in self.calls.items():
            steps = Counter(step for _, step in seen)
            (total,) = {total for total, _ in seen}
            assert len(set(steps.values())) == 1, f"{name} is called differently at different steps: {steps}"
            out[name] = Pass(total, min(steps), len(steps), next(iter(steps.values())))
        return out


class Family:
    """A tiny pipeline, built."""

    def __init__(self, tiny: Tiny) -> None:
        self.name = tiny.name
        self.tiny = tiny
        self.pipe: DiffusionPipeline = self.tiny.build()
        with watched(self.pipe, self.tiny.denoisers) as timeline:
            self.reference: np.ndarray = self.call()
        self.passes = timeline.passes()
        if "strength" in inspect.signature(type(self.pipe).__call__).parameters:
            for seen in self.passes.values():  # from a picture, the first steps are left out
                seen.start += seen.steps - seen.rows

    @cached_property
    def model(self) -> Model:
        """Its denoisers."""
        return discover(self.pipe)

    def call(self, **changes: Any) -> np.ndarray:
        """Its output."""
        return self.tiny.call(self.pipe, **changes)

    def schedules(self, program: Program) -> dict[str, Schedule]:
        """What a program means for each denoiser in a run: the rows that are executed."""
        out = {}
        for name, seen in self.passes.items():
            schedule = program(self.model.tree, seen.steps).of_denoiser(name).starting_at(seen.start)
            out[name] = Schedule(schedule.tree, schedule.orders[: seen.rows], schedule.gains[: seen.rows])
        return out

    def expected(self, program: Program) -> dict[str, int]:
        """How often each component runs under a program: its rows, times the calls at each step."""
        return {
            id: count * self.passes[name].branches
            for name, schedule in self.schedules(program).items()
            for id, count in schedule.counts().items()
        }


@contextmanager
def watched(pipe: DiffusionPipeline, denoisers: tuple[str, ...]) -> Iterator[Timeline]:
    """Note when denoisers are called, by wrapping the instances; nothing of it stays."""
    timeline = Timeline()
    schedulers = [part for part in pipe.components.values() if isinstance(part, SchedulerMixin)]
    hooks = [getattr(pipe, name).register_forward_pre_hook(_note(timeline, name)) for name in denoisers]
    for scheduler in schedulers:
        scheduler.set_timesteps = _set_timesteps(timeline, scheduler)
        scheduler.step = _step(timeline, scheduler)
    try:
        yield timeline
    finally:
        for hook in hooks:
            hook.remove()
        for scheduler in schedulers:
            del scheduler.set_timesteps, scheduler.step


def _note(timeline: Timeline, name: str) -> Callable[..., None]:
    return lambda *_: timeline.calls.setdefault(name, []).append((timeline.total, timeline.step))


def _set_timesteps(timeline: Timeline, scheduler: Any) -> Callable[..., Any]:
    original = scheduler.set_timesteps

    @functools.wraps(original)
    def set_timesteps(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        timeline.total, timeline.step = len(scheduler.timesteps), 0
        return result

    return set_timesteps


def _step(timeline: Timeline, scheduler: Any) -> Callable[..., Any]:
    original = scheduler.step

    @functools.wraps(original)
    def step(*args: Any, **kwargs: Any) -> Any:
        timeline.step += 1
        return original(*args, **kwargs)

    return step
