"""Interception: calls of live objects are intercepted without patching their classes, and without a trace afterwards.

There are two ways. An object that is called as `x(...)` has its class swapped for a subclass of the same name, since
Python looks `__call__` up on the class. An object whose methods are called keeps its class; the methods are shadowed in
the instance (`runtime.attach.method_shadows`). Both ways leave alone `forward`, hooks, and what offloading or
compilation put on a module. No `state_dict`, copy or file contains anything of them.

One registry counts the users of each object. The last user that detaches restores the object exactly, in whatever order
users come and go.

The calling stack tells what happens instead of a call of a denoiser, a scheduler or an autoencoder
(`runtime.attach.call_scope`). Modules inside a denoiser are called by the denoiser alone. So the thread that computes
the denoiser's call sets their operations (`inner`) for the time of the call.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch

from . import call_scope
from .call_scope import Op
from .subclasses import Subclasses

PLACE, PART = "_evocache_place", "_evocache_part"
"""Attributes of an attached module: its number in the compiled denoiser that it lies in, and in the compiled block."""

traced = torch.compiler.is_dynamo_compiling  # not is_compiling: that is true of all threads while one compiles


class _Inner(threading.local):
    def __init__(self) -> None:
        # set for each thread: what only the class had would be the same for all threads to a compiler's guards
        self.table: Mapping[Any, Op] | None = None
        self.slots: Mapping[int, Any] | None = None
        self.by = PLACE


inner = _Inner()
"""Operations of the denoiser call that the thread computes, by module id; None outside of such calls.

Inside a compiled region modules find slots (see `runtime.attach.slot`) instead, by the number that is their attribute
`by`: an id would differ from block to block, and each would be compiled for itself.
"""


Way = Callable[[Any], Callable[[], None]]
"""A way of attaching: changes an object and returns what changes it back."""

attaching = threading.RLock()
"""Held while something attaches or detaches, and while objects' attributes are looked at or given back.

Never while code of a pipeline or a component runs: that may wait for threads that attach."""

_attached: dict[int, tuple[Any, Way, list[int], Callable[[], None]]] = {}
"""By id: an object (so that the id stays its own), how it is attached, its number of users, and the undoing."""


def attach(thing: Any, way: Way) -> None:
    """Attach to an object; several users may.

    A module that is a denoiser to one user and a part of a denoiser to another is both.
    """
    with attaching:
        known = _attached.get(id(thing))
        if known is None:
            _attached[id(thing)] = (thing, way, [1], way(thing))
            return
        _, before, users, undo = known
        users[0] += 1
        if way is intercept_entry and before is intercept_part:
            undo()
            _attached[id(thing)] = (thing, way, users, way(thing))


def detach(thing: Any) -> None:
    """Undo `attach`: the last user restores the object."""
    with attaching:
        _, _, users, undo = _attached[id(thing)]
        users[0] -= 1
        if not users[0]:
            del _attached[id(thing)]
            undo()


def swap_class(thing: Any, make: Callable[[type], type]) -> Callable[[], None]:
    """Swap an object's class for `make(its class)`.

    Returns:
        What swaps it back.
    """
    cls = type(thing)
    object.__setattr__(thing, "__class__", make(cls))

    def undo() -> None:
        object.__setattr__(thing, "__class__", cls)
        for name in (PLACE, PART):
            thing.__dict__.pop(name, None)

    return undo


def intercept_entry(thing: Any) -> Callable[[], None]:
    """Attach to what a pipeline calls: each call is looked up in the generation of the stack that makes it."""
    return swap_class(thing, _entry_classes)


def intercept_part(thing: Any) -> Callable[[], None]:
    """Attach to a module in a denoiser: its calls are looked up in the denoiser's call, where compiled in its slots."""
    return swap_class(thing, _part_classes)


def exclude_callback(thing: Any) -> Callable[[], None]:
    """Attach to a callback that is an object: what it does is no part of a generation."""
    return swap_class(thing, _callback_classes)


def _dispatch(original: Op, module: Any, args: Any, kwargs: Any) -> Any:
    """A call that a compiled function of the host's own makes, of which no region knows: it is looked up untraced."""
    op = inner.table.get(id(module)) if inner.table is not None else None
    return original(module, *args, **kwargs) if op is None else op(original, module, args, kwargs)


_untraced: Op = torch.compiler.disable(_dispatch)  # type: ignore[no-untyped-call]


def _part_methods(cls: type) -> dict[str, Any]:
    original: Callable[..., Any] = cls.__call__

    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if traced():
            slots = inner.slots
            if slots is None and inner.table is not None:
                return _untraced(original, self, args, kwargs)
            slot = None if slots is None else slots.get(getattr(self, inner.by))
            return original(self, *args, **kwargs) if slot is None else slot.run(original, self, args, kwargs)
        table = inner.table
        if table is not None:
            op: Any = table.get(id(self))
            if op is not None:
                return op.__call__(original, self, args, kwargs)  # named, an instance's is found without a detour in C
        return original(self, *args, **kwargs)

    return {"__call__": __call__, PLACE: None, PART: None}


def _enter(original: Op, module: Any, args: Any, kwargs: Any) -> Any:
    """A call from outside: nothing of a denoiser call that the thread is in the middle of concerns it.

    Unless the module is a part of that denoiser.
    """
    part = inner.table.get(id(module)) if inner.table is not None else None
    if part is not None:
        return part(original, module, args, kwargs)
    op = call_scope.find(id(module))
    before = inner.table, inner.slots
    if before != (None, None):
        inner.table = inner.slots = None
    try:
        return original(module, *args, **kwargs) if op is None else op(original, module, args, kwargs)
    finally:
        inner.table, inner.slots = before


_enter_untraced: Op = torch.compiler.disable(_enter)  # type: ignore[no-untyped-call]


def _entry_methods(cls: type) -> dict[str, Any]:
    original: Callable[..., Any] = cls.__call__

    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if traced():
            return _enter_untraced(original, self, args, kwargs)
        return _enter(original, self, args, kwargs)

    return {"__call__": __call__, PLACE: None, PART: None}


def _callback_methods(cls: type) -> dict[str, Any]:
    return {"__call__": call_scope.outside(cls.__call__)}


_part_classes = Subclasses(_part_methods)
_entry_classes = Subclasses(_entry_methods)
_callback_classes = Subclasses(_callback_methods)
