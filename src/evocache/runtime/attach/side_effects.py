"""Whether a function of the host's or a user's own can keep what it sees, by what it holds and what its code says."""

from __future__ import annotations

import contextlib
import dis
import enum
import functools
import inspect
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

DEPTH = 4
"""How far into objects and into functions that call one another one looks."""

_PURE = frozenset(
    (
        "torch",
        "numpy",
        "math",
        "typing",
        "einops",
        "builtins",
        "functools",
        "itertools",
        "operator",
        "logging",
        "warnings",
    )
)
"""Packages whose functions and objects keep nothing that a host looks at."""

_MODELS = "diffusers.models."
"""Where diffusers defines what computes attention and keeps nothing."""

_STORES = frozenset({"STORE_ATTR", "STORE_GLOBAL", "DELETE_ATTR"})

_CONSTANT = (
    *(str, bytes, int, float, complex, bool, type(None), range, slice, enum.Enum, type, types.ModuleType),
    *(torch.Tensor, nn.Module, torch.dtype, torch.device, torch.layout, types.BuiltinFunctionType),
)

_OF_MODULES = frozenset(nn.Module().__dict__)
"""What every module holds; of a module that is called in another's stead, what it holds besides is looked at."""


def may_keep(thing: Any, depth: int = DEPTH) -> bool:
    """Return whether something that is called can keep what it is given, so that a host may look at it later.

    That is so if it holds something that can be filled (a list, a dictionary, an object of the host's own), or if its
    code, or code that it calls, sets an attribute or a variable that outlives the call. What is defined among
    diffusers' models keeps nothing.
    """
    if _is_pure(thing):
        return False
    if any(_fillable(part, depth - 1) for part in _held(thing)):
        return True
    return any(_writes(code, type(thing), depth, set()) for code in _codes(thing))


def fillable(value: Any) -> bool:
    """Return whether something that is handed to a call can be filled by it."""
    return _fillable(value, DEPTH)


def _fillable(thing: Any, depth: int) -> bool:
    if depth == 0 or isinstance(thing, _CONSTANT) or _is_pure(thing):
        return False
    if isinstance(thing, (tuple, frozenset)):
        return any(_fillable(part, depth - 1) for part in thing)
    if callable(thing):
        return may_keep(thing, depth)
    return True


def _is_pure(thing: Any) -> bool:
    name = str(getattr(thing if isinstance(thing, types.FunctionType) else type(thing), "__module__", ""))
    built_in = isinstance(thing, (list, dict, set, bytearray, functools.partial, types.MethodType))
    return not built_in and (name.startswith(_MODELS) or name.partition(".")[0] in _PURE)


def _held(thing: Any) -> Iterator[Any]:
    """What is held by something that is called: attributes of its own, and variables that its code closes over."""
    if isinstance(thing, functools.partial):
        yield from (thing.func, *thing.args, *thing.keywords.values())
    elif isinstance(thing, types.MethodType):
        yield from _held(thing.__self__)
    else:
        modules = isinstance(thing, nn.Module)
        yield from (v for k, v in getattr(thing, "__dict__", {}).items() if not (modules and k in _OF_MODULES))
        yield from _closed_over(thing)


def _closed_over(function: Any) -> Iterator[Any]:
    for cell in getattr(function, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # of a variable that is yet to be set
            yield cell.cell_contents


def _codes(thing: Any) -> list[Any]:
    """The functions that run when something is called."""
    if isinstance(thing, functools.partial):
        return []  # it holds its function
    if isinstance(thing, types.MethodType):
        return [thing.__func__]
    if isinstance(thing, types.FunctionType):
        return [thing]
    return [getattr(type(thing), name, None) for name in ("__call__", "forward")]


def _writes(function: Any, owner: type, depth: int, seen: set[types.CodeType]) -> bool:
    """Whether a function sets what outlives its call, or reaches a variable outside of it that can be filled.

    Args:
        function: the function.
        owner: the class of what is called, whose methods it may call.
        depth: how many functions further one looks.
        seen: code that was looked at.
    """
    function = inspect.unwrap(function) if callable(function) else None
    if not isinstance(function, types.FunctionType) or depth == 0 or function.__code__ in seen or _is_pure(function):
        return False
    seen.add(function.__code__)
    names: set[str] = set()
    for code in _nested(function.__code__):
        for step in dis.get_instructions(code):
            if step.opname in _STORES or (
                step.opname == "STORE_DEREF" and step.argval in function.__code__.co_freevars
            ):
                return True
        names.update(code.co_names)
    known = [function.__globals__[name] for name in sorted(names & function.__globals__.keys())]
    known += _closed_over(function)
    if any(_fillable(value, 1) for value in known if not callable(value)):
        return True
    methods = [vars(base)[name] for base in owner.__mro__ for name in sorted(names & vars(base).keys())]
    return any(_writes(called, owner, depth - 1, seen) for called in (*known, *methods))


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)
