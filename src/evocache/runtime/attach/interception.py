"""Attaching to live objects without patching their classes, in two ways; one registry counts users and undoes both.

Objects that are called as `x(...)`, which Python looks up on the type, have their class swapped for a subclass of the
same name, and back. Objects of which methods are called keep their class: the methods are shadowed in the instance
(see `runtime.attach.method_shadows`). Either leaves `forward`, hooks and what offloading or compilation replace alone;
no `state_dict`, copy or file has anything of it. The last user to detach restores the object exactly, in whatever order
others come and go.

What a denoiser, a scheduler or an autoencoder does instead of a call is found by the calling stack
(`runtime.attach.call_scope`).
Modules inside a denoiser are called by it alone, so theirs is set for the time of the denoiser's call (`inner`), by the
thread that computes it.
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
"""Held while something attaches or detaches; also by who looks at objects' attributes and gives them back later."""

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
        if way is entering and before is intercepting:
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


def swapped(thing: Any, make: Callable[[type], type]) -> Callable[[], None]:
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


def entering(thing: Any) -> Callable[[], None]:
    """Attach to what a pipeline calls: each call is looked up in the generation of the stack that makes it."""
    return swapped(thing, _entering)


def intercepting(thing: Any) -> Callable[[], None]:
    """Attach to a module in a denoiser: its calls are looked up in the denoiser's call, where compiled in its slots."""
    return swapped(thing, _intercepting)


def outlying(thing: Any) -> Callable[[], None]:
    """Attach to a callback that is an object: what it does is no part of a generation."""
    return swapped(thing, _outlying)


def _dispatched(original: Op, module: Any, args: Any, kwargs: Any) -> Any:
    """A call that a compiled function of the host's own makes, of which no region knows: it is looked up untraced."""
    op = inner.table.get(id(module)) if inner.table is not None else None
    return original(module, *args, **kwargs) if op is None else op(original, module, args, kwargs)


_untraced: Op = torch.compiler.disable(_dispatched)  # type: ignore[no-untyped-call]


def _calls(cls: type) -> dict[str, Any]:
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


def _entered(original: Op, module: Any, args: Any, kwargs: Any) -> Any:
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


_entered_untraced: Op = torch.compiler.disable(_entered)  # type: ignore[no-untyped-call]


def _entries(cls: type) -> dict[str, Any]:
    original: Callable[..., Any] = cls.__call__

    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if traced():
            return _entered_untraced(original, self, args, kwargs)
        return _entered(original, self, args, kwargs)

    return {"__call__": __call__, PLACE: None, PART: None}


def _outlies(cls: type) -> dict[str, Any]:
    return {"__call__": call_scope.outside(cls.__call__)}


_intercepting = Subclasses(_calls)
_entering = Subclasses(_entries)
_outlying = Subclasses(_outlies)
