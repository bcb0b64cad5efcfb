"""Whether calls of a kind give, computed together, what each gives alone: tried once, before anything relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from ...model.outputs import list_tensors
from ..attach.call_scope import Op
from ..attach.interception import inner
from .arguments import Reading, join, readings, split_rows
from .flat import Flat
from .lane import Lane
from .module_rows import Looks, ModuleRows, Signature, close, rows_of
from .padding import padding_of

FLOAT32 = 1e-5
"""Most difference between a row computed in company and alone, relative to the largest of its numbers."""

EPSILONS = 4.0
"""The same for coarser types, in units of their precision."""


class Proven(NamedTuple):
    """How calls of a kind are computed together.

    Attributes:
        reading: the roles of their arguments.
        modules: what has rows in the calls of modules in them, by module id; None for a module that has to be alone.
    """

    reading: Reading
    modules: Mapping[int, Mapping[Signature, ModuleRows] | None]


def prove(lanes: Sequence[Lane], given: Sequence[Flat], modules: Sequence[int]) -> Proven | str:
    """Return how some calls of a kind are computed together, or why they cannot be.

    Each is computed alone and all together, without the operations of their schedules, and compared. What is compiled
    is tried as it is, with as many rows as will be computed; where modules are looked at, which no graph allows, also
    without compilation.

    Args:
        lanes: two or more calls.
        given: their arguments.
        modules: ids of the modules that schedules have operations on.
    """
    reason = "their arguments fit no batch"
    compiled = lanes[0].regions is not None
    trials = [_Trial(lanes, given, (), padding_of(lanes))] if compiled else []
    if modules or not compiled:
        trials.insert(0, _Trial(lanes, given, modules, 0))
    for reading in readings(lanes, given):
        found: dict[int, Mapping[Signature, ModuleRows] | None] = {}
        for trial in trials:
            rows = trial.run(reading)
            if isinstance(rows, str):
                reason = rows or reason
                break
            found.update(rows)
        else:
            return Proven(reading, found)
    return reason


class _Trial:
    """Some calls, computed alone once, and together by one reading after the other."""

    def __init__(self, lanes: Sequence[Lane], given: Sequence[Flat], modules: Sequence[int], padding: int) -> None:
        self._lanes, self._given, self._modules, self._padding = lanes, given, modules, padding
        self._alone: list[tuple[Any, Looks]] = []

    def run(self, reading: Reading) -> Mapping[int, Mapping[Signature, ModuleRows] | None] | str:
        """Return what has rows in modules; or why the reading is none, empty if the arguments do not fit it."""
        lanes, modules = self._lanes, self._modules
        rows = [lane.rows for lane in lanes]
        joint = join(lanes, self._given, reading, self._padding)
        if joint is None:
            return ""
        self._alone = self._alone or [_compute(lane, lane.args, lane.kwargs, modules) for lane in lanes]
        try:
            output, looks = _compute(lanes[0], *joint, modules)
            parts = split_rows(output, rows, self._padding)
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            if is_out_of_memory(error):
                raise
            return f"a joint call fails: {str(error).partition(chr(10))[0]}"
        tolerance, seen = tolerance_of(output), looks.seen
        if not all(_alike(own, part, tolerance) for (own, _), part in zip(self._alone, parts, strict=True)):
            return "a row depends on the others"
        return {id_: rows_of([own.seen[id_] for _, own in self._alone], seen[id_], rows, tolerance) for id_ in modules}


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is short."""
    short = isinstance(error, RuntimeError) and "not enough memory" in str(error)
    return short or isinstance(error, (torch.OutOfMemoryError, MemoryError))


def tolerance_of(output: Any) -> float:
    """Return how far a joint call may be off one alone, relative to the largest number."""
    types = {tensor.dtype for tensor in list_tensors(output) if tensor.is_floating_point()}
    return max([FLOAT32, *(EPSILONS * torch.finfo(dtype).eps for dtype in types if dtype != torch.float64)])


@contextmanager
def under(table: Mapping[int, Op] | None) -> Iterator[None]:
    """Have modules of the denoiser that this thread computes do what a table says, within the context."""
    before, inner.table = inner.table, table
    try:
        yield
    finally:
        inner.table = before


def _compute(lane: Lane, args: Any, kwargs: Any, modules: Sequence[int]) -> tuple[Any, Looks]:
    looks = Looks(modules)
    table: dict[int, Callable[..., Any]] = looks.table
    with under(table):
        return lane.original(lane.module, *args, **kwargs), looks


def _alike(own: Any, part: Any, tolerance: float) -> bool:
    expected, found = list_tensors(own), list_tensors(part)
    return len(expected) == len(found) and all(
        close(one.float(), other.float(), tolerance) if one.is_floating_point() else torch.equal(one, other)
        for one, other in zip(expected, found, strict=True)
    )
