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


@functools.cache
def listening(cls: type) -> type:
    """The subclass of a scheduler's class that tells the thread's listener what happens; signatures are kept."""
    methods: dict[str, Any] = {}

    def tell(name: str, event: Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], None], *, after: bool) -> None:
        original = getattr(cls, name, None)
        if original is None:
            return

        @functools.wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            listener = local.listener
            if listener is not None and not after:
                event(listener, self, args, kwargs)
            result = original(self, *args, **kwargs)
            if listener is not None and after:
                event(listener, self, args, kwargs)
            return result

        methods[name] = method

    tell("set_timesteps", lambda who, scheduler, args, kwargs: who.timesteps_set(scheduler), after=True)
    tell("step", lambda who, scheduler, args, kwargs: who.stepped(), after=True)
    tell("scale_model_input", lambda who, s, args, kwargs: who.timestep_seen((*args, None, None)[1]), after=False)
    return _subclass(cls, methods)


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
