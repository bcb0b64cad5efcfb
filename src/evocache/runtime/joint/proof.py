"""Whether calls of a kind give, computed together, what each gives alone: tried once, before anything relies on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
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
    with _draws_kept(given) as draws:
        found = _prove(lanes, given, modules)
        return "it draws random numbers" if draws() else found


def _prove(lanes: Sequence[Lane], given: Sequence[Flat], modules: Sequence[int]) -> Proven | str:
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
        self._writes = False

    def run(self, reading: Reading) -> Mapping[int, Mapping[Signature, ModuleRows] | None] | str:
        """Return what has rows in modules; or why the reading is none, empty if the arguments do not fit it."""
        lanes, modules = self._lanes, self._modules
        rows = [lane.rows for lane in lanes]
        joint = join(lanes, self._given, reading, self._padding)
        if joint is None:
            return ""
        if not self._alone:
            self._writes = not self._compute_alone()
        if self._writes:
            return "it writes into its arguments"
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

    def _compute_alone(self) -> bool:
        """Compute each call by itself, of copies of its arguments; whether it leaves these as they are."""
        for lane, given in zip(self._lanes, self._given, strict=True):
            leaves = [_copies(leaf) for leaf in given.leaves]
            args, kwargs = given.nested(leaves)
            self._alone.append(_compute(lane, args, kwargs, self._modules))
            if any(map(_written, given.leaves, leaves)):
                return False
        return True


@contextmanager
def _draws_kept(given: Sequence[Flat]) -> Iterator[Callable[[], bool]]:
    """Within the context nothing is drawn from random states or generators; yields what tells whether any was."""
    before = random_states()
    python, numpy, torch_s, cuda = before
    leaves = [entry for flat in given for leaf in flat.leaves for entry in (leaf if isinstance(leaf, list) else [leaf])]
    generators = [(leaf, leaf.get_state()) for leaf in leaves if isinstance(leaf, torch.Generator)]

    def drawn() -> bool:
        own = any(not torch.equal(generator.get_state(), state) for generator, state in generators)
        return own or not all(map(same_states, before, random_states()))

    try:
        yield drawn
    finally:
        for generator, state in generators:
            generator.set_state(state)
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(torch_s)
        for device, state in enumerate(cuda):
            torch.cuda.set_rng_state(state, device)


def random_states() -> tuple[Any, Any, torch.Tensor, list[torch.Tensor]]:
    """Return the states of the generators of `random`, numpy, torch and its CUDA devices."""
    devices: Any = torch.cuda
    cuda = devices.get_rng_state_all() if devices.is_initialized() else []
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def same_states(one: Any, other: Any) -> bool:
    """Return whether two states of generators are the same."""
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same_states, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return bool(np.array_equal(one, other))


def _copies(leaf: Any) -> Any:
    """A leaf of a call's arguments in memory of its own."""
    if isinstance(leaf, list):
        return [_copies(entry) for entry in leaf]
    return leaf.clone() if isinstance(leaf, torch.Tensor) else leaf


def _written(leaf: Any, copy: Any) -> bool:
    """Whether a call wrote into what it was given, a copy."""
    if isinstance(leaf, list):
        return len(leaf) != len(copy) or any(map(_written, leaf, copy))
    if not isinstance(leaf, torch.Tensor):
        return False
    return not torch.equal(leaf, copy) if copy.is_inference() else copy._version > 0


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
