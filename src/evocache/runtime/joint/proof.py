"""Whether calls of a kind give, computed together, what each gives alone: tried once, before anything relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from ...model.outputs import list_tensors
from ..attach.call_scope import Op
from ..attach.interception import inner
from .arguments import Flat, Reading, join, readings, split_rows
from .lane import Lane
from .module_rows import Looks, ModuleRows, Signature, close, rows_of

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

    Each is computed alone and all together, without the operations of their schedules, and compared.

    Args:
        lanes: two or more calls.
        given: their arguments.
        modules: ids of the modules that schedules have operations on.
    """
    rows = [lane.rows for lane in lanes]
    alone: list[tuple[Any, Looks]] = []
    reason = "their arguments fit no batch"
    for reading in readings(lanes, given):
        joint = join(lanes, given, reading)
        if joint is None:
            continue
        alone = alone or [_compute(lane, lane.args, lane.kwargs, modules) for lane in lanes]
        try:
            output, looks = _compute(lanes[0], *joint, modules)
            parts = split_rows(output, rows)
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            if is_out_of_memory(error):
                raise
            reason = f"a joint call fails: {str(error).partition(chr(10))[0]}"
            continue
        tolerance = tolerance_of(output)
        if not all(_alike(own, part, tolerance) for (own, _), part in zip(alone, parts, strict=True)):
            reason = "a row depends on the others"
            continue
        found = {id_: rows_of([own.seen[id_] for _, own in alone], looks.seen[id_], rows, tolerance) for id_ in modules}
        return Proven(reading, found)
    return reason


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
