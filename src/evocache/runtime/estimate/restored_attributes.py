"""Attributes of objects, given back as they were: what a call changes that never comes to its end.

Meanwhile other threads may put something of ours on the objects, or take it off: hooks of offloading and of weighing,
and shadows of methods. They hold our locks while they do. That stays as they leave it.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import nn

from ...memory.offload.stage_offload import Summons, offload_lock
from ..attach.interception import attaching
from ..attach.subclasses import OURS

_CONTAINERS = (list, set, dict, OrderedDict)
_OFFLOADED = ("_hf_hook", "_old_forward", "forward")
"""Attributes that come and go with offloading."""

_PACKAGE = __name__.partition(".")[0]
_LOST = object()

_changing = threading.Condition()
"""Held while contexts begin and end, not between."""

_held: list[tuple[int, frozenset[int]]] = []
"""The thread of each open context, and the ids of its objects."""

_drawing: list[object] = []
_forks = ExitStack()
"""Contexts in which random numbers are drawn, and what gives the generators back."""


@contextmanager
def restore_attributes(things: Iterable[Any]) -> Iterator[None]:
    """After the context, objects hold what they held before, in the same lists, sets and dictionaries.

    Only what has changed is touched, and nothing that stays is missing for a moment: other threads may be using the
    objects. What is ours is left alone: a generation of another thread may put it there or take it off at any time. No
    lock is held within the context; only contexts of other threads that have objects in common with this one wait.
    """
    held = list(things)
    with _take_turns(held):
        with attaching, offload_lock:
            before = [(vars(thing), _theirs(vars(thing)), _contents(thing)) for thing in held]
        try:
            yield
        finally:
            with attaching, offload_lock:
                for attributes, own, contents in before:
                    for container, content in contents:
                        refill(container, content)
                    _settle(attributes, own)


@contextmanager
def restore_random_numbers(devices: Collection[int]) -> Iterator[None]:
    """After the context, PyTorch's own generators are as before: of contexts that overlap, as before the first.

    Args:
        devices: GPUs whose generators may be used, beside the CPU's.
    """
    me = object()
    with _changing:
        if not _drawing:
            _forks.enter_context(torch.random.fork_rng(devices))
        _drawing.append(me)
    try:
        yield
    finally:
        with _changing:
            _drawing.remove(me)
            if not _drawing:
                _forks.close()


@contextmanager
def _take_turns(things: Iterable[Any]) -> Iterator[None]:
    """Wait until no other thread is within a context of one of the objects."""
    thread, ids = threading.get_ident(), frozenset(map(id, things))
    with _changing:
        _changing.wait_for(lambda: all(other == thread or ids.isdisjoint(found) for other, found in _held))
        _held.append((thread, ids))
    try:
        yield
    finally:
        with _changing:
            _held.remove((thread, ids))
            _changing.notify_all()


def _contents(thing: Any) -> list[tuple[Any, Any]]:
    """Return the containers that an object holds, each with a copy."""
    return [(value, copy.copy(value)) for value in vars(thing).values() if type(value) in _CONTAINERS]


def refill(container: Any, content: Any) -> None:
    """Have a list, set or dictionary hold what a copy of it held, in its order."""
    if isinstance(container, MutableMapping):
        _settle(container, content)
    elif isinstance(container, list):
        if [id(value) for value in container] != [id(value) for value in content]:
            container[:] = content
    else:
        container.intersection_update(content)
        container.update(content)


def _theirs(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that are not ours."""
    return {name: value for name, value in list(attributes.items()) if not name.startswith(OURS)}


def _settle(now: MutableMapping[Any, Any], before: Mapping[Any, Any]) -> None:
    """Make a mapping hold the same objects as before, in the same order, and what is ours as it is."""
    ours = _find_ours(now, before)
    before = {key: value for key, value in before.items() if key not in ours}
    for key in list(now):
        if key not in before and key not in ours:
            del now[key]
    for key, value in before.items():
        if key not in now or now[key] is not value:
            now[key] = value
    if [key for key in list(now) if key in before] != list(before):
        # in C from end to end: no other thread runs in between, and none sees a key while it is moved
        now.update(zip(before, map(now.pop, before), strict=True))


def _find_ours(now: Mapping[Any, Any], before: Mapping[Any, Any]) -> Collection[Any]:
    """Return keys of a mapping that are ours, or whose values were put there or taken off by us meanwhile."""
    pairs = {key: (before.get(key, _LOST), now.get(key, _LOST)) for key in (*before, *list(now))}
    found = {
        key
        for key, (was, is_now) in pairs.items()
        if str(key).startswith(OURS) or (was is not is_now and (is_ours(was) or is_ours(is_now)))
    }
    was, is_now = pairs.get("_hf_hook", (_LOST, _LOST))
    if was is not is_now and (isinstance(was, Summons) or isinstance(is_now, Summons)):
        found.update(_OFFLOADED)
    return found


def is_ours(value: Any) -> bool:
    """Return whether a value is a function that this package puts on objects of others, or what stands for one."""
    if not callable(value) or isinstance(value, nn.Module):
        return False
    source: Any = value if isinstance(value, FunctionType | MethodType) else type(value)
    return str(source.__module__).partition(".")[0] == _PACKAGE
