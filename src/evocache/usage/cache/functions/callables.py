"""What `@cached` takes: functions, methods and objects that are called, however they are wrapped."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ....errors import UsageError, short


@dataclass(frozen=True)
class Opened:
    """Holds the function that is to be cached, and what it was within.

    Attributes:
        function: the function itself.
        kind: `static` and `class` for methods of these kinds; `bound` where an object comes before the arguments.
        object: that object.
    """

    function: Callable[..., Any]
    kind: Literal["plain", "static", "class", "bound"] = "plain"
    object: Any = None


def open_callable(given: Any) -> Opened:
    """Return the function within what is to be cached.

    Raises:
        UsageError: if its answers cannot be kept as they are: a class, a property, a function that yields.
    """
    if isinstance(given, staticmethod):
        return Opened(_checked(given.__func__), "static")
    if isinstance(given, classmethod):
        return Opened(_checked(given.__func__), "class")
    if isinstance(given, types.MethodType):
        return Opened(_checked(given.__func__), "bound", given.__self__)
    call = inspect.getattr_static(type(given), "__call__", None)
    if isinstance(call, types.FunctionType) and not isinstance(given, type) and not hasattr(given, "__wrapped__"):
        return Opened(_checked(call), "bound", given)
    return Opened(_checked(given))


def name_of(function: Any) -> str:
    """Return the name of what is called, for messages."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def held_by(function: Callable[..., Any]) -> tuple[Any, ...]:
    """Return what a partial brings to each call, and its signature does not show: the first arguments, an object."""
    held: tuple[Any, ...] = ()
    while isinstance(function, functools.partial):
        held = (*function.args, *held)
        function = function.func
    if isinstance(function, types.MethodType):
        return (function.__self__, *held)
    opened = open_callable(function) if held else None
    return (opened.object, *held) if opened is not None and opened.kind == "bound" else held


def _checked(function: Any) -> Callable[..., Any]:
    """Return a function whose answers can be kept.

    Raises:
        UsageError: if it is a class, a property, or yields its answers.
    """
    kind = type(function)
    if isinstance(function, (property, functools.cached_property)):
        mend = "write @property above, and @cached below it"
        raise _refused(f"a {kind.__name__}", "the function of it", mend)
    if isinstance(function, type):
        mend = "cache a function that makes the object and returns it"
        raise _refused(f"the class {function.__qualname__}", "a function", mend)
    if isinstance(function, functools.partialmethod) or not callable(function):
        raise _refused(short(function), "a function, or an object that is called", "write @cached above a `def`")
    owner = getattr(function, "__self__", None)
    if isinstance(function, types.BuiltinFunctionType) and not isinstance(owner, (types.ModuleType, type(None))):
        mend = "cache a function of your own that is given the object and calls it"
        raise _refused(f"{name_of(function)} of {short(owner)}", "a function whose answer its arguments decide", mend)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        given = f"{name_of(function)}, which yields its answers one by one"
        raise _refused(given, "a function that returns its answer", "return a list or a tuple")
    return function  # type: ignore[no-any-return]


def _refused(given: str, expected: str, mend: str) -> UsageError:
    return UsageError(f"@cached over {given}", expected, mend)
