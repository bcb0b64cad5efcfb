"""Attributes of objects, given back as they were: what a call changes that never comes to its end."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

_CONTAINERS = (list, set, dict, OrderedDict)


@contextmanager
def restore_attributes(things: Iterable[Any]) -> Iterator[None]:
    """After the context, objects hold what they held before, in the same lists, sets and dictionaries.

    Only what has changed is touched, since other threads may be using the objects.
    """
    before = [(vars(thing), dict(vars(thing)), _contents(thing)) for thing in things]
    try:
        yield
    finally:
        for attributes, held, contents in before:
            for container, content in contents:
                _refill(container, content)
            _settle(attributes, held)


def _contents(thing: Any) -> list[tuple[Any, Any]]:
    """Return the containers that an object holds, each with a copy."""
    return [(value, copy.copy(value)) for value in vars(thing).values() if type(value) in _CONTAINERS]


def _refill(container: Any, content: Any) -> None:
    if isinstance(container, MutableMapping):
        _settle(container, content)
    elif isinstance(container, list):
        if [id(value) for value in container] != [id(value) for value in content]:
            container[:] = content
    elif {id(value) for value in container} != {id(value) for value in content}:
        container.clear()
        container.update(content)


def _settle(now: MutableMapping[Any, Any], before: MutableMapping[Any, Any]) -> None:
    """Make a mapping hold the same objects as before, in the same order."""
    if list(now) != list(before):
        now.clear()
        now.update(before)
    for key, value in before.items():
        if now[key] is not value:
            now[key] = value
