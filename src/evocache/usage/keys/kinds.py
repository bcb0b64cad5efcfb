"""Which plain value stands for a value of another kind in a key, and under which name."""

from __future__ import annotations

import dataclasses
import functools
import re
import sys
import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from .arrays import numpy_content, pillow_content, torch_content
from .content import Content, UnencodableError, type_name
from .frames import pandas_content, polars_content


def content_of(value: Any) -> Content:
    """Return what stands for a value that is no plain one or a builtin container.

    Raises:
        UnencodableError: if nothing does.
    """
    kind = type(value)
    if hasattr(kind, "__cache_key__"):
        return f"key of {type_name(kind)}", kind.__cache_key__(value)
    if kind in _EXACT:
        name, content = _EXACT[kind]
        return name, content(value)
    if isinstance(value, Enum):
        return f"enum {type_name(kind)}", value.value if value.name is None else value.name
    if isinstance(value, PurePath):
        return f"path {kind.__name__}", str(value)
    library = _LIBRARIES.get(kind.__module__.partition(".")[0])
    if library is not None:
        return library(value)
    if isinstance(value, type):
        return "class", global_name(value)
    if isinstance(value, tzinfo):
        return _zone(value)
    for base, content in _BASES.items():
        if isinstance(value, base):
            return f"kind of {base.__name__} {type_name(kind)}", (content(value), _attributes(value))
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
        return f"dataclass {type_name(kind)}", fields
    raise UnencodableError(value)


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
    if module in ("__main__", "__mp_main__"):  # every program has a module of that name
        module = f"__main__ {getattr(sys.modules['__main__'], '__file__', '')}"
    return f"{module}:{name}"


def _zone(value: tzinfo) -> Content:
    """Time zones of libraries, whose text names them; others may be anything."""
    if type(value).__module__.partition(".")[0] not in ("zoneinfo", "pytz", "dateutil"):
        raise UnencodableError(value)
    return f"zone {type_name(type(value))}", str(value)


def _attributes(value: Any) -> dict[str, Any] | None:
    return getattr(value, "__dict__", None) or None


def _method(value: Any) -> Any:
    return value.__func__.__qualname__, value.__func__.__module__, value.__self__


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
}

_BASES: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__index__,
    float: float.__float__,
    complex: lambda value: (value.real, value.imag),
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    list: lambda value: list.__getitem__(value, slice(None)),
    dict: lambda value: list(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}
"""Builtin types that others are derived from, and their part of such a value; of dicts, the order counts."""

_LIBRARIES: dict[str, Callable[[Any], Content]] = {
    "numpy": numpy_content,
    "pandas": pandas_content,
    "polars": polars_content,
    "torch": torch_content,
    "PIL": pillow_content,
}
"""By the package that a type is of."""
