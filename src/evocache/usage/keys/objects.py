"""What stands for an object of a class of its user's: all that it holds, its declared fields and the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from inspect import getattr_static
from typing import Any

from .content import Content, UnencodableError, shared_name

_HEAP = 1 << 9
"""Flag of a type that was made while the program runs, as those of a `class` statement (`Py_TPFLAGS_HEAPTYPE`)."""


def object_content(value: Any) -> Content:
    """Return what stands for a dataclass object, or one of attrs or pydantic.

    Fields count, and whatever else an object holds: attributes of other classes that it derives from, extra and private
    attributes. Of cached properties that were asked for nothing counts: they follow from the rest.

    Raises:
        UnencodableError: for objects of other classes, and where a class written in C holds a part that nobody sees.
    """
    kind = type(value)
    for library, known in _DECLARED.items():
        if known(kind):
            for base in kind.__mro__:
                if base is not object and not base.__flags__ & _HEAP:
                    raise UnencodableError(value, f"an object whose class does not derive from {base.__qualname__}")
            return f"{library} {shared_name(kind)}", _fields(value)
    raise UnencodableError(value)


def state_of(value: Any) -> dict[str, Any] | None:
    """Return what an object holds in attributes and slots, by name; None for nothing."""
    kind = type(value)
    held = {name: item for name, item in _attributes(value).items() if not _derived(kind, name)}
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name in ("__dict__", "__weakref__"):
                continue
            mangled = f"_{base.__name__.lstrip('_')}{name}" if name.startswith("__") and name[-2:] != "__" else name
            slot = base.__dict__.get(mangled)
            try:
                held[name if mangled not in held else f"{base.__qualname__}.{name}"] = slot.__get__(value, kind)  # type: ignore[union-attr]
            except AttributeError:  # nothing is in it
                continue
    return held or None


def _fields(value: Any) -> Any:
    """The fields of an object; with others if it holds more."""
    state = state_of(value) or {}
    if not dataclasses.is_dataclass(value):
        return state
    fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    others = {name: item for name, item in state.items() if name not in fields}
    return (fields, others) if others else fields


def _attributes(value: Any) -> Mapping[str, Any]:
    found = getattr(value, "__dict__", None)
    return found if isinstance(found, dict) else {}


def _derived(kind: type, name: str) -> bool:
    return isinstance(getattr_static(kind, name, None), cached_property)


_DECLARED: dict[str, Callable[[type], bool]] = {
    "dataclass": dataclasses.is_dataclass,
    "attrs": lambda kind: hasattr(kind, "__attrs_attrs__"),
    "pydantic": lambda kind: hasattr(kind, "model_fields") and hasattr(kind, "__pydantic_private__"),
}
"""Which classes say themselves what their objects hold, by what makes them."""
