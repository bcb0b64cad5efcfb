"""Attributes of objects, given back as they were: what a call changes that never comes to its end."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from ..attach.subclasses import OURS

_CONTAINERS = (list, set, dict, OrderedDict)


@contextmanager
def restore_attributes(things: Iterable[Any]) -> Iterator[None]:
    """After the context, objects hold what they held before, in the same lists, sets and dictionaries.

    Only what has changed is touched, and nothing that stays is missing for a moment: other threads may be using the
    objects. Attributes of ours are left alone: a generation of another thread may set them at any time.
    """
    before = [(vars(thing), _theirs(vars(thing)), _contents(thing)) for thing in things]
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
    else:
        container.intersection_update(content)
        container.update(content)


def _theirs(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that are not ours."""
    return {name: value for name, value in list(attributes.items()) if not name.startswith(OURS)}


def _settle(now: MutableMapping[Any, Any], before: MutableMapping[Any, Any]) -> None:
    """Make a mapping hold the same objects as before, in the same order, and what is ours as it is."""
    for key in list(now):
        if key not in before and not str(key).startswith(OURS):
            del now[key]
    for key, value in before.items():
        if key not in now or now[key] is not value:
            now[key] = value
    if [key for key in list(now) if key in before] != list(before):
        # in C from end to end: no other thread runs in between, and none sees a key while it is moved
        now.update(zip(before, map(now.pop, before), strict=True))
