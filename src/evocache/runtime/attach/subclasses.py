"""Subclasses that live objects are given for a while: one a class, however many objects, and none that outlives it."""

from __future__ import annotations

import copyreg
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any

OURS = "_evocache"
"""What names of our attributes begin with; copies and pickles have none of them."""

_PLAIN = OURS + "_plain"


class Subclasses:
    """Subclasses of classes, of the same name, each made once.

    The subclass of a class that is found under its name is kept: such a class lives as long as the process, or until
    another takes its name. A class that was made on the way (in a function, by `torch.nn.utils.parametrize`) is not
    kept alive by its subclass, which goes when no object has it.

    Args:
        make: makes what the subclass of a class defines.
    """

    def __init__(self, make: Callable[[type], Mapping[str, Any]]) -> None:
        self._make = make
        self._kept: dict[tuple[str, str], type] = {}
        self._others: weakref.WeakValueDictionary[int, type] = weakref.WeakValueDictionary()

    def __call__(self, cls: type) -> type:
        """Return the subclass of a class."""
        name = cls.__module__, cls.__qualname__
        for known in (self._kept.get(name), self._others.get(id(cls))):
            if known is not None and known.__mro__[1] is cls:
                return known
        made = subclass(cls, self._make(cls))
        if importable(cls):
            self._kept[name] = made
        else:
            self._others[id(cls)] = made
        return made


def plain(thing: Any) -> type:
    """Return the class of an object, as it is when nothing is attached."""
    return plain_class(type(thing))


def plain_class(cls: type) -> type:
    """Return what a class is when nothing is attached to the objects of it."""
    found: type = cls.__dict__.get(_PLAIN, cls)
    return found


def importable(cls: type) -> bool:
    """Return whether a class is found under its name in its module."""
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


def subclass(cls: type, methods: Mapping[str, Any]) -> type:
    """Return a subclass of the same name, whose copies and pickles are of the class itself."""

    def __reduce_ex__(self: Any, protocol: Any) -> Any:  # noqa: N807
        reduce: Any = cls.__reduce_ex__
        made, args, *rest = reduce(self, protocol)
        if made is copyreg.__newobj__:  # type: ignore[attr-defined]
            made = object.__new__  # pickle compares the class that the other is given with that of the object
        if rest and isinstance(rest[0], dict):
            rest[0] = {name: value for name, value in rest[0].items() if not str(name).startswith(OURS)}
        return _of(cls, made, self), tuple(_of(cls, arg, self) for arg in args), *rest

    names = ("__module__", "__qualname__", "__doc__")
    body = {**{n: getattr(cls, n) for n in names}, "__reduce_ex__": __reduce_ex__, _PLAIN: cls, **methods}
    return type(cls)(cls.__name__, (cls,), body)


def _of(cls: type, value: Any, thing: Any) -> Any:
    return cls if value is type(thing) else value
