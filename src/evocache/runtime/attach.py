"""Attaching to live objects without patching their classes: an object's class is swapped for a subclass, and back.

The subclass intercepts calls and does nothing else: it has the same name, and leaves `forward`, hooks and the methods
that offloading or compilation replace alone. While it is there the object's `__dict__` holds how many attached to it
and, in a compiled region, its numbers; no `state_dict` or file has them. Taking the subclass away takes them along and
restores the object exactly, in whatever order other libraries come and go. Interception acts only where the thread's
*table* names the object, so objects that two pipelines share stay untouched for the other pipeline, in the same or
another thread.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch

Op = Callable[..., Any]
"""What happens instead of a call: `op(original, module, args, kwargs)`, where `original` is the class's `__call__`."""

PLACE, PART = "_evocache_place", "_evocache_part"
"""Attributes of an attached module: its number in the compiled denoiser that it lies in, and in the compiled block."""

_USERS = "_evocache_users"
_lock = threading.Lock()
_traced = torch.compiler.is_dynamo_compiling  # not is_compiling: that is true of all threads while one compiles


class _Local(threading.local):
    def __init__(self) -> None:
        # set for each thread: what only the class had would be the same for all threads to a compiler's guards
        self.table: Mapping[Any, Op] | None = None
        self.listener: Any = None
        self.slots: Mapping[int, Any] | None = None
        self.by = PLACE


local = _Local()
"""The thread's table of operations, and what listens to its schedulers; both None outside generations.

Operations are found by an object's id, those of a method by the id and the method's name. Inside a compiled region
modules find slots (see `runtime.slot`) instead, by the number that is their attribute `by`: an id would differ from
block to block, and each would be compiled for itself.
"""


def _dispatched(original: Op, module: Any, args: Any, kwargs: Any) -> Any:
    """A call that a compiled function of the host's own makes, of which no region knows: it is looked up untraced."""
    op = local.table.get(id(module)) if local.table is not None else None
    return original(module, *args, **kwargs) if op is None else op(original, module, args, kwargs)


_untraced: Op = torch.compiler.disable(_dispatched)  # type: ignore[no-untyped-call]


@functools.cache
def intercepting(cls: type) -> type:
    """The subclass of a module's class that looks its calls up in the thread's table; where compiled, its slots."""
    original: Callable[..., Any] = cls.__call__

    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if _traced():
            slots = local.slots
            if slots is None and local.table is not None:
                return _untraced(original, self, args, kwargs)
            slot = None if slots is None else slots.get(getattr(self, local.by))
            return original(self, *args, **kwargs) if slot is None else slot.run(original, self, args, kwargs)
        table = local.table
        if table is not None:
            op: Any = table.get(id(self))
            if op is not None:
                return op.__call__(original, self, args, kwargs)  # named, an instance's is found without a detour in C
        return original(self, *args, **kwargs)

    return _subclass(cls, {"__call__": __call__, PLACE: None, PART: None})


class _Method:
    """A method of an attached object, wrapped.

    It goes before what an instance holds under the same name, so that a method that somebody else wrapped on the
    object itself is wrapped, too. Signatures are kept: pipelines look at them.
    """

    def __init__(self, name: str, base: type, wrap: Callable[[Any, Callable[..., Any]], Callable[..., Any]]) -> None:
        self.name = name
        self.base = base
        self.wrap = wrap

    def __get__(self, thing: Any, owner: type) -> Any:
        if thing is None:
            return getattr(self.base, self.name)
        bound = thing.__dict__.get(self.name) or getattr(self.base, self.name).__get__(thing)
        return functools.wraps(bound)(self.wrap(thing, bound))

    def __set__(self, thing: Any, value: Any) -> None:
        thing.__dict__[self.name] = value

    def __delete__(self, thing: Any) -> None:
        if thing.__dict__.pop(self.name, None) is None:
            raise AttributeError(self.name)


def _told(event: Callable[..., None], *, after: bool) -> Callable[[Any, Callable[..., Any]], Callable[..., Any]]:
    """A wrapper that tells the thread's listener that the method is called."""

    def wrap(thing: Any, bound: Callable[..., Any]) -> Callable[..., Any]:
        def method(*args: Any, **kwargs: Any) -> Any:
            listener = local.listener
            if listener is not None and not after:
                event(listener, thing, args)
            result = bound(*args, **kwargs)
            if listener is not None and after:
                event(listener, thing, args)
            return result

        return method

    return wrap


def _looked_up(name: str) -> Callable[[Any, Callable[..., Any]], Callable[..., Any]]:
    """A wrapper that looks calls of the method up in the thread's table."""

    def wrap(thing: Any, bound: Callable[..., Any]) -> Callable[..., Any]:
        def method(*args: Any, **kwargs: Any) -> Any:
            op = local.table.get((id(thing), name)) if local.table is not None else None
            if op is None:
                return bound(*args, **kwargs)
            return op(lambda _, *a, **k: bound(*a, **k), thing, args, kwargs)

        return method

    return wrap


CODING = ("encode", "decode")
"""Methods by which autoencoders are called."""


@functools.cache
def coding(cls: type) -> type:
    """The subclass of an autoencoder's class that looks up `encode` and `decode`, and its calls, in the table."""
    methods = {name: _Method(name, cls, _looked_up(name)) for name in CODING if hasattr(cls, name)}
    return _subclass(cls, {"__call__": intercepting(cls).__call__, **methods})


STEPPING = ("step", "step_pred")
"""Methods by which schedulers make a step: those that predict and correct make it where they predict."""


@functools.cache
def listening(cls: type) -> type:
    """The subclass of a scheduler's class that tells the thread's listener what happens."""
    told = {
        "set_timesteps": _told(lambda who, scheduler, args: who.timesteps_set(scheduler), after=True),
        **{name: _told(lambda who, scheduler, args: who.stepped(), after=True) for name in STEPPING},
        "scale_model_input": _told(lambda who, scheduler, args: who.timestep_seen((*args, None, None)[1]), after=False),
    }
    return _subclass(cls, {name: _Method(name, cls, wrap) for name, wrap in told.items() if hasattr(cls, name)})


def attach(thing: Any, make: Callable[[type], type]) -> None:
    """Swap an object's class for `make(its class)`; several users may attach to one object."""
    with _lock:
        users = thing.__dict__.get(_USERS, 0)
        if not users:
            object.__setattr__(thing, "__class__", make(type(thing)))
        thing.__dict__[_USERS] = users + 1


def detach(thing: Any) -> None:
    """The inverse of `attach`: the last user restores the class."""
    with _lock:
        users = thing.__dict__.pop(_USERS) - 1
        if users:
            thing.__dict__[_USERS] = users
        else:
            _restore(thing)


def release(thing: Any) -> None:
    """Detach all users at once: of a copy that was made of an attached object, which nobody else knows."""
    with _lock:
        if thing.__dict__.pop(_USERS, 0):
            _restore(thing)


def _restore(thing: Any) -> None:
    object.__setattr__(thing, "__class__", type(thing).__mro__[1])
    for name in (PLACE, PART):
        thing.__dict__.pop(name, None)


def _subclass(cls: type, methods: dict[str, Any]) -> type:
    names = ("__module__", "__qualname__", "__doc__")
    return type(cls)(cls.__name__, (cls,), {**{n: getattr(cls, n) for n in names}, **methods})
