"""Bytes that a value takes in memory, in bounded time."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

EXACT = 10_000
"""Items up to which a container is measured whole; of larger ones, a sample is."""

SAMPLE = 1_000
"""Items of a sample, at even distances."""

MOST_OBJECTS = 200_000
"""Objects that are looked at, at the most; each one beyond is taken for as large as its container's others."""

_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, CodeType)
"""Kinds that belong to the program, not to a value that names them."""


def size_of(value: Any) -> int:
    """Return the bytes that a value takes in memory, with all that it holds.

    What is held twice counts once. Arrays, tensors and frames are asked for their bytes: arrays for those of the
    memory that they lie in, of which they may be a part. Containers up to 10,000 items are exact; of larger ones 1,000
    items at even distances are measured and taken for the rest, within about a millisecond for a million numbers.

    Args:
        value: anything; functions, classes and modules in it count as nothing.

    Returns:
        Bytes, from 1.
    """
    return max(1, int(_Measure().of(value)))


class _Measure:
    """One measurement: what was counted already, and how many objects may still be looked at."""

    def __init__(self) -> None:
        self._seen: dict[object, Any] = {}  # holds what it has seen: addresses of temporary objects come again
        self._left = MOST_OBJECTS

    def of(self, value: Any) -> float:
        """Bytes of a value that were not counted yet."""
        if value is None or isinstance(value, (bool, *_SHARED)):
            return 0
        if id(value) in self._seen:
            return 0
        self._seen[id(value)] = value
        self._left -= 1
        kind = type(value)
        if kind in (int, float, str, bytes, complex):
            return sys.getsizeof(value)
        known = _LIBRARIES.get(kind.__module__.partition(".")[0])
        if known is not None:
            size = known(self, value)
            if size is not None:
                return size
        own = float(sys.getsizeof(value, 64))
        if isinstance(value, Mapping):
            own += self._many(value.keys(), len(value)) + self._many(value.values(), len(value))
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            own += self._many(value, len(value))
        return own + self._attributes(value)

    def _attributes(self, value: Any) -> float:
        size = self.of(value.__dict__) if hasattr(value, "__dict__") else 0.0
        for base in type(value).__mro__:
            slots = base.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                size += self.of(getattr(value, name, None))
        return size

    def _many(self, items: Iterable[Any], count: int) -> float:
        """Bytes of a container's items: of all, or of a sample taken for all."""
        step = 1 if count <= EXACT else count // SAMPLE
        size, taken, fresh = 0.0, 0, 0
        sample = items[::step] if isinstance(items, (list, tuple)) else islice(items, 0, None, step)
        for item in sample:
            if self._left <= 0:
                break
            before = len(self._seen)
            size += self.of(item)
            taken += 1
            fresh += len(self._seen) > before
        if taken == count or not taken:
            return size
        # Where most of a sample was seen before, so was most of the rest.
        return size * count / taken if 2 * fresh > taken else size

    def array(self, array: Any) -> float | None:
        """Bytes of the memory that an array lies in, and of the objects that it points to."""
        if not isinstance(array, np.ndarray):
            return array.nbytes + 32 if isinstance(array, np.generic) else None
        size = float(sys.getsizeof(array) - (array.nbytes if array.base is None else 0))
        while isinstance(array.base, np.ndarray):
            array = array.base
        if array.base is not None and not isinstance(array.base, (bytes, bytearray)):
            size += self._memory(("memory", id(array.base)), array.base, array.nbytes)
        elif array.base is not None:
            size += self.of(array.base)
        else:
            size += self._memory(("memory", id(array)), array, array.nbytes)
        return size + (self._many(array.flat, array.size) if array.dtype.hasobject and not array.dtype.names else 0)

    def _memory(self, mark: object, holder: Any, size: int) -> float:
        if mark in self._seen:
            return 0
        self._seen[mark] = holder
        return size

    def tensor(self, value: Any) -> float | None:
        """Bytes of a tensor's storage, once for all tensors that share it."""
        if not isinstance(value, sys.modules["torch"].Tensor):
            return None
        if value.layout != sys.modules["torch"].strided:
            return float(value.element_size() * value.numel())
        storage = value.untyped_storage()
        return 64 + self._memory(("storage", storage._cdata), storage, storage.nbytes())

    def pandas(self, value: Any) -> float | None:
        """Bytes of a frame, a series or an index, with the texts and other objects in it."""
        pd = sys.modules["pandas"]
        if isinstance(value, pd.DataFrame):
            return float(value.memory_usage(index=True, deep=True).sum())
        if isinstance(value, pd.Series):
            return float(value.memory_usage(index=True, deep=True))
        return float(value.memory_usage(deep=True)) if isinstance(value, pd.Index) else None

    def polars(self, value: Any) -> float | None:
        """Bytes of a frame or a series."""
        return float(value.estimated_size()) if hasattr(value, "estimated_size") else None

    def arrow(self, value: Any) -> float | None:
        """Bytes of a table, a batch or an array."""
        return float(value.nbytes) if hasattr(value, "nbytes") else None

    def picture(self, value: Any) -> float | None:
        """Bytes of a picture's pixels: one where a mode has one channel of bytes, else four, as PIL keeps them."""
        if not isinstance(value, sys.modules["PIL.Image"].Image):
            return None
        each = 1 if value.mode in ("1", "L", "P") else 2 if value.mode.startswith("I;16") else 4
        return float(value.width * value.height * each) + self.of(value.info) + 64


_LIBRARIES = {
    "numpy": _Measure.array,
    "torch": _Measure.tensor,
    "pandas": _Measure.pandas,
    "polars": _Measure.polars,
    "pyarrow": _Measure.arrow,
    "PIL": _Measure.picture,
}
"""By the package that a type is of: how it says its bytes itself."""
