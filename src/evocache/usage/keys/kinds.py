"""Which plain value stands for a value of another kind in a key, and under which name."""

from __future__ import annotations

import functools
import re
import sys
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from .arrays import numpy_content, pillow_content, torch_content
from .content import Content, UnencodableError, shared_module, shared_name
from .frames import pandas_content, polars_content
from .objects import object_content, state_of


def content_of(value: Any) -> Content:
    """Return what stands for a value that is no plain one or a builtin container.

    Raises:
        UnencodableError: if nothing does.
    """
    kind = type(value)
    if hasattr(kind, "__cache_key__"):
        return f"key of {shared_name(kind)}", kind.__cache_key__(value)
    if kind in _EXACT:
        name, content = _EXACT[kind]
        return name, content(value)
    if isinstance(value, Enum):
        return f"enum {shared_name(kind)}", value.value if value.name is None else value.name
    if isinstance(value, PurePath):
        return _path(value)
    library = _LIBRARIES.get(kind.__module__.partition(".")[0])
    if library is not None:
        return library(value)
    if isinstance(value, type):
        return "class", global_name(value)
    if isinstance(value, tzinfo):
        return _zone(value)
    for base, content in _BASES.items():
        if isinstance(value, base):
            return f"kind of {base.__name__} {shared_name(kind)}", (content(value), state_of(value))
    return object_content(value)


def global_name(value: Any) -> str:
    """Return the module and the name under which every process finds a function or a class.

    Raises:
        UnencodableError: if it is not found there, as a lambda or what another function made.
    """
    module, name = getattr(value, "__module__", None) or "builtins", value.__qualname__
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not value:
        why = f"a function or class that is found as {module}.{name}"
        raise UnencodableError(value, why, "define it at the top of a module")
    return f"{shared_module(module)}:{name}"


def _path(value: PurePath) -> Content:
    """A path by its text; of classes that users derive, by what else it holds as well."""
    kind = type(value)
    if kind.__module__.partition(".")[0] == "pathlib":
        return f"path {kind.__name__}", str(value)
    known = {name for base in kind.__mro__ if base.__module__ == "pathlib" for name in base.__dict__}
    state = {name: item for name, item in (state_of(value) or {}).items() if name not in known}
    return f"path {shared_name(kind)}", (str(value), state)


def _zone(value: tzinfo) -> Content:
    """Time zones of libraries, whose text names them; others may be anything."""
    if type(value).__module__.partition(".")[0] not in ("zoneinfo", "pytz", "dateutil"):
        raise UnencodableError(value)
    return f"zone {shared_name(type(value))}", str(value)


def _pydantic(value: Any) -> Content:
    """A value of pydantic's own types, such as addresses and secrets."""
    kind = type(value)
    if kind.__module__.startswith("pydantic_core") and kind.__name__ in ("Url", "MultiHostUrl"):
        return f"pydantic {kind.__name__}", str(value)
    state = state_of(value)
    if state is None:
        raise UnencodableError(value)
    return f"pydantic {kind.__name__}", state


def _method(value: Any) -> Any:
    return value.__func__.__qualname__, shared_module(value.__func__.__module__), value.__self__


def _builtin(value: Any) -> Any:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return global_name(value)
    return value.__qualname__, owner


_EXACT: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytearray: ("bytearray", bytes),
    memoryview: ("memoryview", lambda value: (value.format, value.shape, value.tobytes())),
    range: ("range", lambda value: (value.start, value.stop, value.step)),
    slice: ("slice", lambda value: (value.start, value.stop, value.step)),
    type(...): ("ellipsis", lambda value: None),
    type(NotImplemented): ("NotImplemented", lambda value: None),
    date: ("date", date.isoformat),
    datetime: ("datetime", lambda value: (value.replace(tzinfo=None).isoformat(), value.fold, value.tzinfo)),
    time: ("time", lambda value: (value.replace(tzinfo=None).isoformat(), value.fold, value.tzinfo)),
    timedelta: ("timedelta", lambda value: (value.days, value.seconds, value.microseconds)),
    timezone: ("timezone", lambda value: (value.utcoffset(None), value.tzname(None))),
    Decimal: ("Decimal", str),
    Fraction: ("Fraction", lambda value: (value.numerator, value.denominator)),
    UUID: ("UUID", lambda value: value.bytes),
    re.Pattern: ("pattern", lambda value: (value.pattern, value.flags)),
    types.FunctionType: ("function", global_name),
    types.BuiltinFunctionType: ("builtin", _builtin),
    types.MethodType: ("method", _method),
    functools.partial: ("partial", lambda value: (value.func, value.args, value.keywords)),
    type: ("class", global_name),
    OrderedDict: ("OrderedDict", lambda value: list(value.items())),
    defaultdict: ("defaultdict", lambda value: (value.default_factory, dict(value))),
    deque: ("deque", lambda value: (value.maxlen, list(value))),
}

_BASES: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__index__,
    float: float.__float__,
    complex: lambda value: (value.real, value.imag),
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    list: lambda value: list.__getitem__(value, slice(None)),
    OrderedDict: lambda value: list(OrderedDict.items(value)),  # `dict.items` has another order
    defaultdict: lambda value: (value.default_factory, list(dict.items(value))),
    dict: lambda value: list(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    deque: lambda value: (value.maxlen, list(deque.__iter__(value))),
}
"""Builtin types that others are derived from, and their part of such a value; of dicts, the order counts."""

_LIBRARIES: dict[str, Callable[[Any], Content]] = {
    "numpy": numpy_content,
    "pandas": pandas_content,
    "polars": polars_content,
    "torch": torch_content,
    "PIL": pillow_content,
    "pydantic": _pydantic,
    "pydantic_core": _pydantic,
}
"""By the package that a type is of."""
