"""Methods of live objects, shadowed in the instance: the class stays what it is, and so does whatever compares it.

A shadow stands in the object's `__dict__` under the method's name. Each call of it is looked up in the generation of
the stack that makes it (`runtime.attach.call_scope`). Shadows are the object's own:

- a shallow copy and a pickle have none;
- a deep copy of a scheduler has its own, which the same operations answer, told which object is called; they go with
  the others. A deep copy of what is not followed has none;
- a deep copy of the bare `__dict__` keeps them as they are, so that the object may be given back its own state.
"""

from __future__ import annotations

import copy
import functools
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from . import call_scope
from .interception import traced


class Shadowing:
    """A way of attaching: shadows methods of an object, those of them that it has.

    Args:
        names: the methods.
        followed: whether deep copies are shadowed as well.
    """

    def __init__(self, *names: str, followed: bool) -> None:
        self.names = names
        self.followed = followed

    def __call__(self, thing: Any) -> Callable[[], None]:
        """Shadow the methods; what is returned takes the shadows away, of deep copies as well."""
        first = _Shadows(self, thing, id(thing), [])
        first.kin.append(first)

        def restore() -> None:
            while first.kin:
                first.kin.pop().withdraw()

        return restore


class _Shadows:
    """The shadows of one object.

    Args:
        way: what is shadowed.
        thing: the object.
        key: id of the object that was attached to; this one may be a copy of it.
        kin: the shadows of that object, and of its copies.
    """

    def __init__(self, way: Shadowing, thing: Any, key: int, kin: list[_Shadows]) -> None:
        own = thing.__dict__
        self.way = way
        self.names = [name for name in way.names if callable(getattr(thing, name, None))]
        self.thing = weakref.ref(thing)
        self.key = key
        self.kin = kin
        self.live = True
        self.before = {name: own[name] for name in (*self.names, *_COPYING) if name in own}
        own.update({name: _Method(self, name, getattr(thing, name)) for name in self.names})
        own.update({name: _Copying(self, name) for name in _COPYING})

    def withdraw(self) -> None:
        """Give the object its methods back; what somebody else has put in the place of a shadow stays."""
        self.live = False
        thing = self.thing()
        if thing is not None:
            _without(thing.__dict__, self.before)

    def state(self) -> Any:
        """The object's state for copies and pickles: what it is without shadows."""
        thing: Any = self.thing()
        if "__getstate__" in self.before:
            return self.before["__getstate__"]()
        inherited = getattr(type(thing), "__getstate__", None)  # object's own, from Python 3.11 on
        return self._plain(dict(thing.__dict__) if inherited is None else inherited(thing))

    def _plain(self, state: Any) -> Any:
        """A state without shadows: a dict, or a dict and the values of slots."""
        if isinstance(state, tuple):
            return tuple(map(self._plain, state))
        if isinstance(state, dict):
            state = dict(state)
            _without(state, self.before)
        return state

    def deep_copy(self, memo: dict[int, Any]) -> Any:
        """A deep copy of the object, with shadows of its own if it is followed."""
        thing: Any = self.thing()
        mine = thing.__dict__.pop("__deepcopy__", None)
        if "__deepcopy__" in self.before:
            thing.__dict__["__deepcopy__"] = self.before["__deepcopy__"]
        try:
            made = copy.deepcopy(thing, memo)
        finally:
            thing.__dict__["__deepcopy__"] = mine
        if self.way.followed and self.live and made is not thing and type(made) is type(thing):
            self.kin.append(_Shadows(self.way, made, self.key, self.kin))
        return made


class _Shadow:
    """What stands in an object's `__dict__`; a copy of the bare dict has the same one."""

    def __deepcopy__(self, memo: Any) -> _Shadow:
        return self


class _Copying(_Shadow):
    """What `copy` and `pickle` ask an object for."""

    def __init__(self, shadows: _Shadows, name: str) -> None:
        self._shadows = shadows
        self._answer = shadows.state if name == "__getstate__" else shadows.deep_copy

    def __call__(self, *args: Any) -> Any:
        return self._answer(*args)


_COPYING = ("__getstate__", "__deepcopy__")


class _Method(_Shadow):
    """A shadowed method: calls it, or what stands in for it."""

    def __init__(self, shadows: _Shadows, name: str, method: Callable[..., Any]) -> None:
        functools.update_wrapper(self, method)
        self._shadows = shadows
        self._name = name
        self._beneath = method
        self.covers_class = name not in shadows.before
        """Whether the class's own method is beneath, and not one that somebody else put on the object."""

    def __getattr__(self, name: str) -> Any:
        if name == "_beneath":
            raise AttributeError(name)
        return getattr(self._beneath, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (_untraced if traced() else _called)(self, args, kwargs)

    def __reduce__(self) -> Any:
        return getattr, (self._shadows.thing(), self._name)  # the pickle of the object has the plain method

    def called(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call the method, or the operation in its place."""
        beneath, shadows = self._beneath, self._shadows
        op = call_scope.find((shadows.key, self._name)) if shadows.live else None
        if op is None:
            return beneath(*args, **kwargs)
        return op(lambda _, *a, **k: beneath(*a, **k), shadows.thing(), args, kwargs)


def _called(method: _Method, args: Any, kwargs: Any) -> Any:
    return method.called(args, kwargs)


_untraced: Callable[..., Any] = torch.compiler.disable(_called)  # type: ignore[no-untyped-call]


def _without(state: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Take shadows out of an object's state, and put in what they stand for."""
    for name in [name for name, value in state.items() if isinstance(value, _Shadow)]:
        if name in before:
            state[name] = before[name]
        else:
            del state[name]
