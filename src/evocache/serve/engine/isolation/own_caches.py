"""Which attributes of modules are their own caches: what their code writes while they compute."""

from __future__ import annotations

import dis
import functools
import inspect
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

COMPUTE = ("forward", "encode", "decode")
"""Methods that pipelines call; what these call of the same class computes as well."""

NEVER = frozenset(("training", "processor", "scaling", "merged_adapters", "_active_adapter", "_disable_adapters"))
"""Attributes that others set, and that have to be what they were whoever else writes them."""


class Caches(NamedTuple):
    """Attributes of a class of modules that are caches.

    Attributes:
        set: names of those that are set.
        filled: names of those that may be filled, if they are containers.
    """

    set: frozenset[str]
    filled: frozenset[str]


@functools.lru_cache(maxsize=512)
def own_caches(cls: type) -> Caches:
    """Return names of attributes that a module's computing sets, or fills: its caches, of which no pipeline knows.

    Such are the frames that a video autoencoder keeps between the parts of a film. What its other methods set
    (`enable_tiling`, `set_processor`) is none.
    """
    methods = {
        name: value
        for base in reversed(cls.__mro__)
        if issubclass(base, nn.Module) and base is not nn.Module
        for name, value in vars(base).items()
    }
    sets: set[str] = set()
    fills: set[str] = set()
    left, seen = [name for name in methods if name.startswith(COMPUTE)], set[str]()
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        for code in _codes(methods[name]):
            _note_written(code, sets, fills)
            left += [called for called in code.co_names if callable(methods.get(called)) and called not in seen]
    return Caches(frozenset(sets - NEVER), frozenset(fills - NEVER))


def _codes(method: Any) -> Iterator[types.CodeType]:
    function = inspect.unwrap(method) if callable(method) else None
    left = [function.__code__] if isinstance(function, types.FunctionType) else []
    while left:
        yield (code := left.pop())
        left += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]


def _note_written(code: types.CodeType, sets: set[str], fills: set[str]) -> None:
    """Note what code sets, which buffers it registers, and what it reads where it fills something."""
    steps = list(dis.get_instructions(code))
    sets.update(str(step.argval) for step in steps if step.opname in ("STORE_ATTR", "DELETE_ATTR"))
    if "register_buffer" in code.co_names:
        sets.update(constant for constant in code.co_consts if isinstance(constant, str))
    if any(step.opname in ("STORE_SUBSCR", "DELETE_SUBSCR") for step in steps):
        fills.update(str(step.argval) for step in steps if step.opname == "LOAD_ATTR")
