"""Digest of what a function computes: its code, its defaults, and what it holds of outer functions."""

from __future__ import annotations

import functools
import hashlib
import inspect
import types
from collections.abc import Callable
from typing import Any

from ...errors import UsageError
from .canonical import encode
from .content import shared_module

_FLAGS = 0x3FF
"""How a function is called and what it returns; not flags of `from __future__`."""


def code_version(function: Callable[..., Any], version: Any = None) -> bytes:
    """Return a digest that changes when a function's code does.

    It is made of the module and name, the instructions, constants, names, defaults, and the values that the function
    holds of outer functions; what decorators wrapped and inner functions count as well. Line numbers, file names and
    comments do not. It is the same in every process of one release of Python. Under `python -O` it is another where
    the function, or one within it, has an `assert` or asks for `__debug__`; under `-OO`, where it has a docstring.

    Functions that it calls, globals that it reads and files do not count: where they decide, give `version`. Values of
    outer functions and defaults that have no encoding, such as models, are left out.

    Args:
        function: a function, a method, a partial, or an object that is called.
        version: what to tell versions by instead of the code, such as `"2"`.

    Returns:
        16 bytes.

    Raises:
        UsageError: if there is no code to see, as of functions written in C, and no `version`; or if the version has
            no encoding.
    """
    name = (
        shared_module(getattr(function, "__module__", None)),
        getattr(function, "__qualname__", type(function).__qualname__),
    )
    parts = ["version", *name, version] if version is not None else [*name, _callable(function, set())]
    return hashlib.blake2b(encode(parts), digest_size=16).digest()


def _callable(function: Any, seen: set[int]) -> Any:
    """A plain value that says what is called."""
    if isinstance(function, functools.partial):
        return "partial", _callable(function.func, seen), _known(function.args, seen), _known(function.keywords, seen)
    if isinstance(function, types.MethodType):
        return "method", _callable(function.__func__, seen)
    if isinstance(function, types.FunctionType):
        return _function(function, seen)
    wrapped = getattr(function, "__wrapped__", None)
    if callable(wrapped):
        return "wrapper", _callable(wrapped, seen)
    call = inspect.getattr_static(type(function), "__call__", None)
    if isinstance(call, types.FunctionType) and not isinstance(function, type):
        return "object", _function(call, seen)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    why = "a function whose code can be seen"
    raise UsageError(f"{name} of type {type(function).__qualname__}", why, 'say what tells its versions: version="1"')


def _function(function: types.FunctionType, seen: set[int]) -> Any:
    if id(function) in seen:
        return "above"
    seen.add(id(function))
    cells = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            cells[name] = _known(cell.cell_contents, seen)
        except ValueError:  # not filled yet
            cells[name] = "empty"
    defaults = [_known(value, seen) for value in function.__defaults__ or ()]
    named = {name: _known(value, seen) for name, value in (function.__kwdefaults__ or {}).items()}
    return _code(function.__code__), defaults, named, cells


def _known(value: Any, seen: set[int]) -> Any:
    """A plain value that says what a function was given, as far as that can be said."""
    if isinstance(value, types.FunctionType):
        return _function(value, seen)
    try:
        return encode(value)
    except UsageError:
        return "a value without an encoding"


def _code(code: types.CodeType) -> Any:
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS)
    names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    constants = [_code(item) if isinstance(item, types.CodeType) else item for item in code.co_consts]
    return code.co_code, getattr(code, "co_exceptiontable", b""), counts, names, constants
