"""Process-wide state that a pipeline draws from or changes: each generation has its own while it runs."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch


class Part(NamedTuple):
    """Something that the process has one of.

    Attributes:
        read: returns it.
        write: sets it.
    """

    read: Callable[[], Any]
    write: Callable[[Any], object]


def _filters() -> list[Any]:
    return list(warnings.filters)


def _set_filters(filters: Any) -> None:
    if list(warnings.filters) != filters:
        warnings.filters[:] = filters  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]


PARTS: Sequence[Part] = (
    Part(random.getstate, random.setstate),
    Part(np.random.get_state, np.random.set_state),
    Part(torch.get_rng_state, torch.set_rng_state),
    Part(torch.get_default_dtype, torch.set_default_dtype),
    Part(torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    Part(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    Part(_filters, _set_filters),
)
"""Random states and flags of the process. Those of devices follow where there are devices."""


def flag(owner: Any, name: str) -> Part:
    """Return an attribute that the process has one of."""
    return Part(partial(getattr, owner, name), partial(setattr, owner, name))


def parts() -> Sequence[Part]:
    """Return what is exchanged at a hand-over on this machine."""
    if not torch.cuda.is_available():
        return PARTS
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    flags = [flag(matmul, "allow_tf32"), *(flag(cudnn, name) for name in ("allow_tf32", "benchmark", "deterministic"))]
    return (*PARTS, Part(torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all), *flags)


class GlobalState:
    """The process-wide state of one generation, which is the process's from its turn until another's.

    Args:
        swap: who has the process's state.
        seed: what its random states begin with.
    """

    def __init__(self, swap: StateSwap, seed: int) -> None:
        self._swap = swap
        self._seed: int | None = seed
        self.values: Sequence[Any] | None = None

    def enter(self) -> None:
        """Let it be the state of the process."""
        if self._swap.give(self) and self._seed is not None:
            seed, self._seed = self._seed, None
            random.seed(seed)
            np.random.seed(seed % 2**32)
            torch.manual_seed(seed)

    def end(self) -> None:
        """Give the process its own state back, if it had this: the generation is over."""
        self._swap.take_back(self)


class StateSwap:
    """Exchanges the process's state between generations, and gives it back when none has it."""

    def __init__(self) -> None:
        self._parts = parts()
        self._owner: GlobalState | None = None
        self._outside: Sequence[Any] = ()

    def give(self, to: GlobalState) -> bool:
        """Give the state to a generation; whether it had another."""
        if self._owner is to:
            return False
        now = self._read()
        if self._owner is None:
            self._outside = now
        else:
            self._owner.values = now
        self._owner = to
        if to.values is not None:
            self._write(to.values)
        return True

    def take_back(self, owner: GlobalState | None = None) -> None:
        """Give the process its own state back, if a generation has it: a given one, or any."""
        if self._owner is None or owner not in (None, self._owner):
            return
        self._owner.values, self._owner = self._read(), None
        self._write(self._outside)

    def _read(self) -> list[Any]:
        return [part.read() for part in self._parts]

    def _write(self, values: Sequence[Any]) -> None:
        for part, value in zip(self._parts, values, strict=True):
            part.write(value)
