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
from .content import shared_module, type_name
from .objects import state_of

_OF_WRAPPED = (*functools.WRAPPER_ASSIGNMENTS, "__wrapped__")
"""What a wrapper takes of the function within."""

_FLAGS = 0x3FF
"""How a function is called and what it returns; not flags of `from __future__`."""


def code_version(function: Callable[..., Any], version: Any = None) -> bytes:
    """Return a digest that changes when a function's code does.

    It is made of the module and name, the instructions, constants, names, defaults, and the values that the function
    holds of outer functions; what decorators wrapped and inner functions count as well. Line numbers, file names and
    comments do not. It is the same in every process of one release of Python. Under `python -O` it is another where
    the function, or one within it, has an `assert` or asks for `__debug__`; under `-OO`, where it has a docstring.

    Functions that it calls, globals that it reads and files do not count: where they decide, give `version`. Values of
    outer functions and defaults that have no encoding, such as models, are left out; `unencoded_in` names them.

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
    parts = ["version", *name, version] if version is not None else [*name, _Reader().read(function)]
    return hashlib.blake2b(encode(parts), digest_size=16).digest()


def unencoded_in(function: Callable[..., Any]) -> list[str]:
    """Return what a function holds that its `code_version` leaves out, each by name and type.

    Two functions that differ by that alone have one version. Defaults of the function itself are no part of it: they
    are arguments.
    """
    reader = _Reader()
    reader.read(function)
    return reader.unencoded


class _Reader:
    """Reads what is called as plain values, and notes which it holds that are none."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self.unencoded: list[str] = []

    def read(self, function: Any) -> Any:
        """Return a plain value that says what is called."""
        if isinstance(function, functools.partial):
            args, keywords = self._known("arguments", function.args), self._known("arguments", function.keywords)
            return "partial", self.read(function.func), args, keywords
        if isinstance(function, types.MethodType):
            return "method", self.read(function.__func__)
        if isinstance(function, types.FunctionType):
            return self._function(function)
        if callable(getattr(function, "__wrapped__", None)):
            return self._wrapper(function)
        call = inspect.getattr_static(type(function), "__call__", None)
        if isinstance(call, types.FunctionType) and not isinstance(function, type):
            return "object", self._function(call)
        name = getattr(function, "__qualname__", type(function).__qualname__)
        given = f"{name} of type {type(function).__qualname__}"
        raise UsageError(given, "a function whose code can be seen", 'say what tells its versions: version="1"')

    def _wrapper(self, wrapper: Any) -> Any:
        """A function in an object that a decorator made, with what else the object holds."""
        if id(wrapper) in self._seen:
            return "above"
        self._seen.add(id(wrapper))
        held = {name: item for name, item in (state_of(wrapper) or {}).items() if name not in _OF_WRAPPED}
        known = {name: self._known(name, item) for name, item in held.items()}
        return "wrapper", self.read(wrapper.__wrapped__), known

    def _function(self, function: types.FunctionType) -> Any:
        if id(function) in self._seen:
            return "above"
        outermost = not self._seen
        self._seen.add(id(function))
        cells = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                cells[name] = self._known(name, cell.cell_contents)
            except ValueError:  # not filled yet
                cells[name] = "empty"
                if name not in ("__class__", function.__name__):  # its own class, and itself
                    self.unencoded.append(f"`{name}`, which is not there yet,")
        defaults = dict(enumerate(function.__defaults__ or ())), function.__kwdefaults__ or {}
        noted = len(self.unencoded)
        known = [{name: self._known("a default", value) for name, value in one.items()} for one in defaults]
        if outermost:
            del self.unencoded[noted:]
        return _code(function.__code__), list(known[0].values()), known[1], cells

    def _known(self, name: str, value: Any) -> Any:
        """A plain value that says what a function was given, as far as that can be said."""
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.ModuleType):
            return "module", value.__name__
        try:
            return encode(value)
        except UsageError:
            if type(value) is type(functools.lru_cache(id)):
                return self._wrapper(value)
            self.unencoded.append(f"`{name}` of type {type_name(type(value))}")
            return "a value without an encoding"


def _code(code: types.CodeType) -> Any:
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS)
    names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    constants = [_code(item) if isinstance(item, types.CodeType) else item for item in code.co_consts]
    return code.co_code, getattr(code, "co_exceptiontable", b""), counts, names, constants
