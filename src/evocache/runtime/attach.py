"""Attaching to live objects without patching their classes: an object's class is swapped for a subclass, and back.

The subclass intercepts calls and does nothing else: it has the same name, sets no attribute that is saved, and leaves
`forward`, hooks and the methods that offloading or compilation replace alone. Taking it away restores the object
exactly, in whatever order other libraries come and go. Interception acts only where the thread's *table* names the
object, so objects that two pipelines share stay untouched for the other pipeline, in the same or another thread.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

Op = Callable[..., Any]
"""What happens instead of a call: `op(original, module, args, kwargs)`, where `original` is the class's `__call__`."""

_USERS = "_evocache_users"
_lock = threading.Lock()


class _Local(threading.local):
    table: Mapping[int, Op] | None = None
    listener: Any = None


local = _Local()
"""The thread's table of operations by object id, and what listens to its schedulers; both None outside generations."""


@functools.cache
def intercepting(cls: type) -> type:
    """The subclass of a module's class that looks its calls up in the thread's table."""
    original: Callable[..., Any] = cls.__call__

    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        table = local.table
        if table is not None:
            op = table.get(id(self))
            if op is not None:
                return op(original, self, args, kwargs)
        return original(self, *args, **kwargs)

    return _subclass(cls, {"__call__": __call__})


class _Told:
    """A method that tells the thread's listener that it is called.

    It goes before what an instance holds under the same name, so that a method that somebody else wrapped on the
    scheduler itself is heard, too. Signatures are kept: pipelines look at them.
    """

    def __init__(self, name: str, base: type, event: Callable[..., None], *, after: bool) -> None:
        self.name = name
        self.base = base
        self.event = event
        self.after = after

    def __get__(self, scheduler: Any, owner: type) -> Any:
        if scheduler is None:
            return getattr(self.base, self.name)
        bound = scheduler.__dict__.get(self.name) or getattr(self.base, self.name).__get__(scheduler)

        @functools.wraps(bound)
        def method(*args: Any, **kwargs: Any) -> Any:
            listener = local.listener
            if listener is not None and not self.after:
                self.event(listener, scheduler, args)
            result = bound(*args, **kwargs)
            if listener is not None and self.after:
                self.event(listener, scheduler, args)
            return result

        return method

    def __set__(self, scheduler: Any, value: Any) -> None:
        scheduler.__dict__[self.name] = value

    def __delete__(self, scheduler: Any) -> None:
        if scheduler.__dict__.pop(self.name, None) is None:
            raise AttributeError(self.name)


@functools.cache
def listening(cls: type) -> type:
    """The subclass of a scheduler's or autoencoder's class that tells the thread's listener what happens."""
    told = [
        ("set_timesteps", lambda who, scheduler, args: who.timesteps_set(scheduler), True),
        ("step", lambda who, scheduler, args: who.stepped(), True),
        ("scale_model_input", lambda who, scheduler, args: who.timestep_seen((*args, None, None)[1]), False),
        ("decode", lambda who, autoencoder, args: who.decoding(), False),
    ]
    have = [(name, event, after) for name, event, after in told if hasattr(cls, name)]
    return _subclass(cls, {name: _Told(name, cls, event, after=after) for name, event, after in have})


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
            object.__setattr__(thing, "__class__", type(thing).__mro__[1])


def _subclass(cls: type, methods: dict[str, Any]) -> type:
    names = ("__module__", "__qualname__", "__doc__")
    return type(cls)(cls.__name__, (cls,), {**{n: getattr(cls, n) for n in names}, **methods})
