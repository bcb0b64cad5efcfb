"""Attributes of an object that calls share, as they were: what was changed of them, and giving that back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from torch import nn

from ....runtime.attach.subclasses import OURS, plain
from ....runtime.estimate.restored_attributes import is_ours, refill
from ..adapters.layers import STATE, is_adapter_layer
from .own_caches import Caches, own_caches

CONTAINERS = (list, dict, set)

MERGED = "merged_adapters"
"""What an adapter's layer lists that has changed the weights that it stands on."""

OF_ANY = frozenset(nn.Module().__dict__) - {"training"}
"""What every module holds beside its own attributes: containers, which stay the same objects."""

HOOKS = ("_forward_hooks", "_forward_pre_hooks")
"""Functions that are called with a module."""

_OF_HOOKS = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
"""What a module notes of its hooks by their number."""

_HOST_S = "transformers."
"""Whose hooks and notes are left alone: they are put on at a module's first call, and stay."""

_NO_CACHES = Caches(frozenset(), frozenset())
_LOST = object()


class KeptObject:
    """An object's attributes, and what lists, dictionaries and sets among them held.

    What is ours may come and go meanwhile, and so may a module's own caches. Which adapters act is another's to know.

    Args:
        name: path of the object, for messages.
        thing: a module, an attention processor, a config.
    """

    def __init__(self, name: str, thing: Any) -> None:
        self.name, self.thing = name, thing
        now, module = vars(thing), isinstance(thing, nn.Module)
        cls: Any = type(thing)
        caches = own_caches(cls) if module else _NO_CACHES
        self._plain = plain(thing)
        self._passed = caches.set.union(STATE) if is_adapter_layer(thing) else caches.set
        self.own = {key: value for key, value in now.items() if key not in OF_ANY and self._counts(key, value)}
        held = {key: value for key, value in now.items() if key in OF_ANY and key not in _OF_HOOKS} if module else {}
        held.update({key: value for key, value in self.own.items() if key not in caches.filled})
        if isinstance(thing, dict):
            held[""] = thing
        found = {key: value for key, value in held.items() if isinstance(value, CONTAINERS)}
        self._empty = {key: value for key, value in found.items() if not value}
        self.containers = {key: value for key, value in found.items() if value}
        self._contents = {key: self._content(key, value) for key, value in self.containers.items()}
        self.get = itemgetter(*self.own) if self.own else len
        self._quick = self.get(now), len(now)

    def _counts(self, key: str, value: Any) -> bool:
        if key in self._passed or key.startswith((OURS, "_output_capturing")):
            return False
        if key == "_diffusers_hook" and not value.hooks:  # a registry that is made for a context, and stays
            return False
        return not (callable(value) and is_ours(value))

    def _content(self, key: str, container: Any) -> Any:
        """A copy of what a container holds, but for buffers that are caches, and hooks of the host's own."""
        if not isinstance(container, dict):
            return container.copy()
        if key == "_buffers" and self._passed:
            return {name: value for name, value in container.items() if name not in self._passed}
        if key in HOOKS:
            return {name: hook for name, hook in container.items() if not is_host_s(hook)}
        return dict(container)

    def differences(self) -> Iterator[str]:
        """Yield the names of attributes that are not what they were."""
        now = vars(self.thing)
        if plain(self.thing) is not self._plain:
            yield "__class__"
        if len(now) != self._quick[1] or not equal(self.get(now), self._quick[0]):
            for key in [*self.own, *(key for key in list(now) if key not in self.own and key not in OF_ANY)]:
                was, found = self.own.get(key, _LOST), now.get(key, _LOST)
                if was is not found and self._counts(key, found) and not equal(was, found):
                    yield key
        if any(self._empty.values()):
            yield from (key for key, container in self._empty.items() if container and self._content(key, container))
        for key, container in self.containers.items():
            content = self._contents[key]
            if not equal(container, content) and not equal(self._content(key, container), content):
                yield key or "its entries"

    def restore(self, keep: bool = False) -> None:
        """Put back what was changed.

        Args:
            keep: whether weights stay changed that adapters were merged into, so that these have to say so.
        """
        now = vars(self.thing)
        for key, container in (*self.containers.items(), *self._empty.items()):
            content = self._contents.get(key, type(container)())
            if not (keep and key == MERGED) and not equal(self._content(key, container), content):
                found = self._content(key, container)
                passed = [name for name in container if name not in found] if isinstance(container, dict) else []
                _refill(container, content, passed)
        news = [key for key in now if key not in self.own and key not in OF_ANY]
        for key in [key for key in news if self._counts(key, now[key])]:
            del now[key]
        for key, value in self.own.items():
            if now.get(key, _LOST) is not value and not is_ours(now.get(key)):
                now[key] = value
        if type(self.thing) is plain(self.thing) is not self._plain:
            object.__setattr__(self.thing, "__class__", self._plain)


def equal(one: Any, other: Any) -> bool:
    """Return whether values are equal; those that cannot be told, as tensors of several numbers, are not."""
    try:
        return one is other or bool(one == other)
    except (RuntimeError, ValueError, TypeError):
        return False


def is_host_s(hook: Any) -> bool:
    """Return whether a hook is one that a library puts on its own modules."""
    return str(getattr(hook, "__module__", "")).startswith(_HOST_S)


def _refill(container: Any, content: Any, passed: Sequence[Any]) -> None:
    """Have a container hold what it held, and what is passed over of what it holds."""
    if not isinstance(container, OrderedDict) or type(container) is OrderedDict:
        refill(container, {**content, **{key: container[key] for key in passed}} if passed else content)
        return
    for key in [key for key in container if key not in content]:  # a config, whose class forbids writing
        OrderedDict.__delitem__(container, key)
    for key, value in content.items():
        OrderedDict.__setitem__(container, key, value)
