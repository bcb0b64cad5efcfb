"""Values that nobody can change in the cache: neither who had them computed, nor who was answered with them.

A value is copied when it is kept, and again each time that it is given, unless it cannot be changed at all.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import io
import re
import sys
import types
from collections.abc import Callable, Iterator
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Literal, get_args
from uuid import UUID

import numpy as np

from ...errors import UsageError, short
from .content import type_name

Give = Callable[[Any], Any]
"""Makes of what is kept what a caller is given."""

_IMMUTABLE = (
    type(None), bool, int, float, complex, str, bytes, range, type(...), date, time, timedelta, tzinfo, Decimal,
    Fraction, UUID, PurePath, Enum, re.Pattern, np.generic, np.dtype, type, types.FunctionType,
    types.BuiltinFunctionType, types.ModuleType,
)  # fmt: skip
_FEW = 1_000
"""Items up to which it is worth looking whether none of them can be changed."""


Arrays = Literal["copy", "read-only"]
"""How numpy arrays are given: as copies, or as arrays that cannot be made writable."""


def checked_arrays(given: Any) -> Arrays:
    """Return how arrays are given.

    Raises:
        UsageError: if it is no way that is known.
    """
    for way in get_args(Arrays):
        if given == way:
            return way  # type: ignore[no-any-return]
    ways = " or ".join(repr(way) for way in get_args(Arrays))
    raise UsageError(f"arrays={short(given)}", ways, "leave it out for copies")


def protect(value: Any, arrays: Arrays = "copy") -> tuple[Any, Give]:
    """Return what to keep of a value, and what makes of that what a caller is given.

    The caller who had it computed is given one as well, and may do with the value itself what it likes.

    Args:
        value: an answer.
        arrays: whether numpy arrays are given as copies, which callers may change, or without a copy as arrays that
            cannot be made writable.

    Returns:
        What to keep, and a function of it. Values that cannot be changed are kept and given as they are; arrays,
        tensors, frames, pictures, containers and objects of classes as copies of all that they hold. Tensors lose the
        graph that they came from.

    Raises:
        UsageError: if the value, or one in it, cannot be copied, such as a lock, an open file or a generator.
    """
    try:
        if _immutable(value, [_FEW]):
            return value, _as_is
        if arrays == "read-only" and type(value) is np.ndarray and _plain(value):
            return _fixed(value), _view
        return _copy(value, {}), copied
    except UsageError:
        raise
    except Exception as error:
        why = f"a value that can be copied ({type(error).__name__}: {error})"
        raise _unstorable(value, why) from error


def copied(kept: Any) -> Any:
    """Return a copy of a value and of all that it holds, which shares nothing with it that can be changed."""
    return _copy(kept, {})


def _as_is(kept: Any) -> Any:
    return kept


def _view(kept: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array of the caller's own over the same memory: shape and type of an array can be set, whatever its memory."""
    return _renamed(kept.view())


def _unstorable(
    value: Any, why: str, mend: str = "return the finished content, such as a list, or do not cache this function"
) -> UsageError:
    return UsageError(f"an answer of type {type_name(type(value))}", why, mend)


def _immutable(value: Any, left: list[int]) -> bool:
    """Whether neither a value nor anything that it holds can be changed."""
    left[0] -= 1
    if left[0] < 0:
        return False
    if isinstance(value, np.void) or (isinstance(value, np.dtype) and value.names is not None):
        return False
    if isinstance(value, _IMMUTABLE):
        return not getattr(value, "__dict__", None) or isinstance(value, (Enum, *_PROGRAM))
    if type(value) in (tuple, frozenset):
        return all(_immutable(item, left) for item in value)
    parameters = getattr(type(value), "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        held = getattr(value, "__dict__", None)
        names = held if held is not None else [field.name for field in dataclasses.fields(value)]
        return all(_immutable(getattr(value, name, None), left) for name in names)
    return False


_PROGRAM = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)
"""What belongs to the program; it is given as it is."""


def _plain(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array's memory holds its items, and no addresses of them."""
    return not array.dtype.hasobject and array.dtype.kind != "T"


def _fixed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array over bytes, which numpy never makes writable, in the order of memory of the given one."""
    order: Literal["C", "F"] = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    return _renamed(np.ndarray(array.shape, array.dtype, array.tobytes(order), order=order))


def _renamed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array with a data type of its own where that has fields: their names can be set, for all that share it."""
    return array if array.dtype.names is None else array.view(copy.deepcopy(array.dtype))


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    """A deep copy; what is held twice is held twice by it, and circles stay circles."""
    kind = type(value)
    if isinstance(value, _PROGRAM) or kind in (int, float, str, bool, bytes, type(None)):
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind is list or kind is dict:
        made: Any = kind()
        memo[id(value)] = made
        if kind is list:
            made.extend(_copy(item, memo) for item in value)
        else:
            made.update((_copy(name, memo), _copy(item, memo)) for name, item in value.items())
        return made
    if kind is tuple or kind is set or kind is frozenset:
        made = kind(_copy(item, memo) for item in value)
    else:
        library = _LIBRARIES.get(kind.__module__.partition(".")[0])
        made = library(value, memo) if library else _other(value, memo)
    memo[id(value)] = made
    return made


def _other(value: Any, memo: dict[int, Any]) -> Any:
    if hasattr(value, "__await__"):
        raise _unstorable(value, "a value that is there", "await it: `aget_or_compute`, or `async def` below @cached")
    if isinstance(value, Iterator) or hasattr(value, "__anext__"):
        raise _unstorable(value, "a value that can be read more than once")
    if isinstance(value, functools.partial):
        return functools.partial(value.func, *_copy(value.args, memo), **_copy(value.keywords, memo))
    return copy.deepcopy(value, memo)


def _numpy(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, np.ndarray) and _plain(value):
        return _renamed(value.copy(order="K"))
    return copy.deepcopy(value, memo)


def _torch(value: Any, memo: dict[int, Any]) -> Any:
    if type(value) is sys.modules["torch"].Tensor:
        return value.detach().clone().requires_grad_(value.requires_grad)
    return copy.deepcopy(value, memo)


def _pandas(value: Any, memo: dict[int, Any]) -> Any:
    """A frame or series, with copies of the lists and other objects that pandas itself would share."""
    pd = sys.modules["pandas"]
    if isinstance(value, pd.Series):
        made = value.copy(deep=True)
        if value.dtype == object and not _immutable(tuple(value.array), [_FEW]):
            made.array[:] = np.fromiter((_copy(item, memo) for item in value.array), object, len(value))
        return made
    if isinstance(value, pd.DataFrame):
        made = value.copy(deep=True)
        for number in range(value.shape[1]):
            column = value.iloc[:, number]
            if column.dtype == object and not _immutable(tuple(column.array), [_FEW]):
                made.isetitem(number, _pandas(column, memo))
        return made
    return copy.deepcopy(value, memo)


def _polars(value: Any, memo: dict[int, Any]) -> Any:
    """A frame or series over memory of its own: polars' copies share theirs with each other and with numpy."""
    pl = sys.modules["polars"]
    frame = value.to_frame() if isinstance(value, pl.Series) else value
    if not isinstance(frame, pl.DataFrame):
        return copy.deepcopy(value, memo)
    if pl.Object in frame.dtypes:
        raise _unstorable(value, "a frame without Python objects in it")
    made = pl.read_ipc(io.BytesIO(frame.write_ipc(None).getvalue()))
    return made.to_series() if isinstance(value, pl.Series) else made


def _picture(value: Any, memo: dict[int, Any]) -> Any:
    """A picture, which knows the format of its file as the first caller's does."""
    if getattr(value, "n_frames", 1) > 1:
        raise _unstorable(value, "a picture of one frame", "return its frames as a list of pictures, with `copy()`")
    if not isinstance(value, sys.modules["PIL.Image"].Image):
        return copy.deepcopy(value, memo)
    made = value.copy()
    made.format = value.format
    made.info = _copy(made.info, memo)
    return made


_LIBRARIES: dict[str, Callable[[Any, dict[int, Any]], Any]] = {
    "numpy": _numpy,
    "torch": _torch,
    "pandas": _pandas,
    "polars": _polars,
    "PIL": _picture,
}
"""By the package that a type is of: how its values are copied."""
