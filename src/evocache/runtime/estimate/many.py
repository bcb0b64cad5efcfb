"""Footprints of one call under many schedules, such as a search asks for: what they share is found once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...memory.planner.footprint import BranchFootprint, CallPrint, Footprint
from ...memory.swapping.lifetimes import Lives
from ...memory.swapping.transfer_tape import uses
from ...model import Denoiser, Model
from ...policies import parse
from ...schedule import COMPUTE, REUSE, Schedule, Tree
from ..compiled import Compiled
from ..lru import LRU
from ..program.plan import Plan
from .acts import DryRun, largest
from .dry_run import dry_run
from .estimate import detailed, footprint, operations
from .feature_bytes import feature_sizes
from .stored_bytes import in_half, kept_beside, stored_paths
from .work_flops import work

Sizes = Mapping[str, int]

CALLED = 256
"""Numbers of steps of which it is kept when denoisers are called."""

CALLS = 256
"""Calls that are kept, of denoisers of which some parts are not cut."""


class Called(NamedTuple):
    """When denoisers are called, at a number of steps.

    Attributes:
        calls: of each denoiser in a generation.
        starts: by denoiser, the step at which each of its branches is called first.
    """

    calls: Mapping[str, int]
    starts: Mapping[str, tuple[int, ...]]


class FootprintsOfMany:
    """What a pipeline's call holds under any schedule of its model.

    Of a schedule follow the features that are stored, how large each is, and when it is used. All else is the same for
    every schedule and is found once, by dry runs and surveys; so a schedule takes milliseconds.

    Args:
        pipe: the pipeline.
        model: its denoisers.
        steps: denoising steps of the uncached call.
        arguments: keyword arguments of the call that makes so many steps.
    """

    def __init__(self, pipe: Any, model: Model, steps: int, arguments: Callable[[int], Mapping[str, Any]]) -> None:
        self._pipe, self._model, self._arguments = pipe, model, arguments
        seen, uncached = self._seen(steps), Compiled(model, parse("none"))
        self._base = detailed(footprint(pipe, uncached, seen), pipe, uncached, seen)
        self._largest = {d.name: largest(acts) for d in model.denoisers if (acts := seen.calls(d.name))}
        self._called: LRU[int, Called] = LRU(CALLED)
        self._called[steps] = _called(seen)
        self._operations = operations(model, seen)
        self._in_half = {denoiser.name: in_half(denoiser) for denoiser in model.denoisers}
        self._sizes: dict[tuple[str, str], Sizes] = {}
        self._calls: LRU[object, CallPrint] = LRU(CALLS)

    def of(self, schedule: Schedule, storage: str = "none") -> Footprint:
        """Return the footprint under a schedule.

        Args:
            schedule: of the model's whole tree; its number of steps is that of the call.
            storage: the coding that features are stored in.

        Raises:
            PolicyError: if there is no coding of that name.
            PipelineError: if the pipeline refuses a call of so many steps.
        """
        called = self._called_at(schedule.steps)
        branches: list[BranchFootprint] = []
        features: dict[str, Sizes] = {}
        beside, computed = 0, 0.0
        for name, starts in called.starts.items():
            sizes = self._sizes_of(self._model[name], storage)
            own = schedule.of_denoiser(name)
            known = {start: _branch(own, start, sizes) for start in {*starts}}
            branches += [branch for start in starts if (branch := known[start][0]) is not None]
            stored = known[min(starts)][1]
            features[name] = {id: size for id, size in sizes.items() if id in stored}
            plain = {id: size for id, size in self._sizes_of(self._model[name], "none").items() if id in stored}
            beside = max(beside, kept_beside(plain, schedule, storage, half=self._in_half[name]))
            computed += work(self._operations, own, starts, called.calls[name])
        return replace(
            self._base,
            denoise={name: self._call(name, features.get(name, {}), beside) for name in self._base.denoise},
            calls=sum(called.calls.values()),
            work=computed,
            branches=tuple(branches),
            features=features,
            storage=storage,
            beside=beside,
        )

    def _seen(self, steps: int) -> DryRun:
        return dry_run(self._pipe, self._model, (), self._arguments(steps))

    def _called_at(self, steps: int) -> Called:
        return self._called.get_or_make(steps, lambda: _called(self._seen(steps)))

    def _call(self, name: str, stored: Sizes, beside: int) -> CallPrint:
        """Calls of a denoiser that stores something, where a copy of so many bytes is held beside."""
        blocks, leaves = stored_paths(self._model.tree, stored)
        key = (name, blocks, leaves, beside)
        return self._calls.get_or_make(key, lambda: self._base.denoise[name].sparing(blocks, leaves).above(beside))

    def _sizes_of(self, denoiser: Denoiser, storage: str) -> Sizes:
        """Bytes of one stored value of every component of a denoiser, in order of execution."""
        key = (denoiser.name, storage)
        if key not in self._sizes:
            act, everything = self._largest[denoiser.name], storing_all(self._model.tree).of_denoiser(denoiser.name)
            self._sizes[key] = feature_sizes(denoiser, Plan.compile(everything), act.args, act.kwargs, storage)
        return self._sizes[key]


def storing_all(tree: Tree) -> Schedule:
    """Return a schedule that stores a value of every component at its first step.

    At each later step the components of one depth of containment are read, the outermost first, so that what they
    contain has not been computed since.
    """
    depths = np.zeros(len(tree), dtype=np.intp)
    for column, parent in enumerate(tree.parents.tolist()):
        depths[column] = depths[parent] + 1 if parent >= 0 else 0
    orders = np.full((2 + int(depths.max(initial=0)), len(tree)), COMPUTE.order, dtype=np.int8)
    orders[1 + depths, np.arange(len(tree))] = REUSE.order
    return Schedule.repaired(tree, orders)


def _branch(schedule: Schedule, start: int, sizes: Sizes) -> tuple[BranchFootprint | None, frozenset[str]]:
    """What a branch that begins at a step stores, if anything, and of which components."""
    if start >= schedule.steps:
        return None, frozenset()
    used = uses(schedule.starting_at(start), sizes, tuple(sizes))
    if not len(used.lives):
        return None, frozenset()
    columns = np.unique(used.values[:, 1]).tolist()
    return BranchFootprint(used.lives, used.events[:, 0].tolist()), frozenset(
        schedule.components[i].id for i in columns
    )


def moved(footprint: Footprint) -> tuple[int, int]:
    """Return bytes of features that a generation writes, and that it reads."""
    written = read = 0
    for branch in footprint.branches:
        lives = Lives.of(branch.lives)
        written += int(lives.sizes.sum())
        read += int((lives.sizes * (np.diff(lives.first) - 1)).sum())
    return written, read


def _called(seen: DryRun) -> Called:
    starts = seen.starts
    names = dict.fromkeys(name for name, _ in starts)
    return Called(
        {name: len(seen.calls(name)) for name in names},
        {n: tuple(step for (name, _), step in starts.items() if name == n) for n in names},
    )
