"""How many graphs there are of a function that is compiled, and for what: dynamo makes only so many, for the process.

Dynamo counts by the code of `forward`, over all modules of a class, in whatever generation they were compiled; so what
is known of it is kept as long as that code.
"""

from __future__ import annotations

import inspect
import weakref
from types import CodeType
from typing import Any

import torch
from torch import nn

GIVEN_UP = ("FailOnRecompileLimitHit", "RecompileLimitExceeded")
"""Dynamo's errors where `fullgraph` is asked for and a function has as many graphs as it may."""

HOST = 2
"""Graphs of each function that are left to the host: on its own, and beside another pipeline's generation."""

Kinds = frozenset[tuple[int, type]]
"""The slots of a region: places of modules in it, and what they find."""


class _Counted:
    """What is known of one function.

    Attributes:
        known: model by model, for which kinds of slots a graph was made.
        refused: for which it was not, and what the limit was then.
        entries: graphs that dynamo held when it was last asked.
    """

    def __init__(self) -> None:
        self.known: set[tuple[Any, Kinds]] = set()
        self.refused: dict[tuple[Any, Kinds], int] = {}
        self.entries = 0


class Graphs:
    """The graphs of one function, as far as one model's regions are concerned.

    Args:
        code: what dynamo counts by.
        model: tells models apart that share the code: a graph serves only one of them.
    """

    def __init__(self, code: CodeType, model: Any) -> None:
        self.code = code
        self.model = model
        self.counted = _functions.setdefault(code, _Counted())

    def may(self, kinds: Kinds) -> bool:
        """Return whether there is a graph for slots of these kinds, or may be one more."""
        counted, key, most = self.counted, (self.model, kinds), limit()
        entries = count_graphs(self.code)
        if entries is not None:
            if entries < counted.entries:  # dynamo was reset
                counted.known.clear()
                counted.refused.clear()
            counted.entries = entries
        if key in counted.known:
            return True
        if counted.refused.get(key, -1) >= most:
            return False
        ours = len(counted.known)
        others = 0 if entries is None else entries - ours
        return ours < max(1, most - max(HOST, others))

    def room(self) -> bool:
        """Return whether a graph more would leave the host those that are its own."""
        entries = count_graphs(self.code)
        return (len(self.counted.known) if entries is None else entries) < limit() - HOST

    def count(self) -> int:
        """Count the graphs of the function; 0 where torch does not let it be asked."""
        return count_graphs(self.code) or 0

    def note_graph(self, kinds: Kinds) -> None:
        """Note that there is a graph for slots of these kinds."""
        self.counted.known.add((self.model, kinds))

    def note_refusal(self, kinds: Kinds) -> None:
        """Dynamo made none; if it has made one before, for inputs of another shape, that one is still used."""
        key = (self.model, kinds)
        if key not in self.counted.known:
            self.counted.refused[key] = limit()


_functions: weakref.WeakKeyDictionary[CodeType, _Counted] = weakref.WeakKeyDictionary()


def graphs(module: nn.Module, model: Any) -> Graphs:
    """Return the graphs of a compiled module, or of what `torch.compile` wrapped around it."""
    inner = getattr(module, "_orig_mod", module)
    forward = inspect.unwrap(inner.forward, stop=lambda f: isinstance(getattr(f, "__code__", None), CodeType))
    code = getattr(forward, "__code__", None)
    return Graphs(code if isinstance(code, CodeType) else type(inner).forward.__code__, model)


def limit() -> int:
    """Return how many graphs dynamo makes of one function."""
    config: Any = torch._dynamo.config
    return int(config.recompile_limit if hasattr(config, "recompile_limit") else config.cache_size_limit)


def count_graphs(code: CodeType) -> int | None:
    """Count the graphs that dynamo holds of a function; None where torch does not let it be asked."""
    try:
        from torch._dynamo.eval_frame import _debug_get_cache_entry_list

        return len(_debug_get_cache_entry_list(code))
    except (ImportError, AttributeError, TypeError):
        return None
