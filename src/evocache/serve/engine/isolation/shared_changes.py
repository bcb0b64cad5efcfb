"""What a call changes in modules that it shares with others, so that the others have to wait until it is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from ....model.pipeline_components import list_modules
from ....runtime.attach.interception import attaching
from ..adapters.layers import AdapterLayers
from ..adapters.switch import Adapters
from .kept_object import CONTAINERS, MERGED, KeptObject, equal
from .kept_tensors import KeptTensor, kept_tensors
from .quick_look import PartLook, QuickLook

TURNS = 8
"""Hand-overs in which all modules are looked at as a whole once: numbers, words and the weights of each layer."""

KNOWN = 4
"""How many looks are remembered that were found to show no change: with and without what is ours on the modules."""


class _PartState(NamedTuple):
    """What was kept of one component."""

    objects: Sequence[KeptObject]
    tensors: Sequence[KeptTensor]
    adapters: AdapterLayers


class SharedState:
    """Looks at what pipelines change in shared modules for the time of a call, and gives it back.

    That are attention processors (perturbed-attention guidance, LEDITS++, text-to-video-zero), scales of adapters
    (IP-adapters, LoRA) and their choice, entries of configs, types and devices of weights (an autoencoder that decodes
    in float32), buffers, flags and other attributes (tiles and slices, FreeU, training), hooks, and modules that are
    exchanged or put in. Caches that modules keep for themselves are none of it (`own_caches`).

    Weights that were written into cannot be given back, as nobody keeps a second copy of them. Of those that are
    written by way of `weight.data`, which torch does not count, nothing is seen.

    Which adapters act is compared with what the engine has act in the request's turn.

    Args:
        pipe: the pipeline, between two calls.
        adapters: of the engine, where pipelines share components.

    Attributes:
        adapters: the adapter layers of the pipeline's components.
    """

    def __init__(self, pipe: Any, adapters: Adapters | None = None) -> None:
        self._pipe, self._known_adapters = pipe, adapters or Adapters()
        self.refresh()

    def refresh(self) -> None:
        """Take what modules are now for what they should be."""
        parts = list_modules(self._pipe)
        self._parts = _modules(self._pipe)
        self.adapters = {name: self._known_adapters.find(part) for name, part in parts.items()}
        self._objects = list(_objects(parts))
        self._tensors = list(kept_tensors(parts))
        self._quick = QuickLook(self._objects)
        self._looks = [PartLook(self._objects[at::TURNS]) for at in range(TURNS)]
        self._turn = 0
        self._same: list[Any] = []
        self._of: dict[int, _PartState | None] = {}
        self._accept(self._quick())

    def _accept(self, now: Any) -> None:
        """Remember that looks as they are now show no change."""
        self._same, self._other = [now, *self._same[: KNOWN - 1]], None
        self._same_parts = [look() for look in self._looks]

    @property
    def changed(self) -> bool:
        """Whether something is not what it was, by a quick look at all and a whole one at an eighth."""
        self._turn = (self._turn + 1) % TURNS
        return self._has_changed([self._turn])

    @property
    def left_changed(self) -> bool:
        """Whether something is not what it was, by a whole look at all."""
        return self._has_changed(range(TURNS))

    def _has_changed(self, parts: Iterable[int]) -> bool:
        if any(each.changed for each in self.adapters.values()):
            return True
        now = self._quick()
        known = now is not None and any(equal(now, each) for each in self._same)
        if known and all(equal(self._looks[at](), self._same_parts[at]) for at in parts):
            return False
        if now is not None and equal(now, self._other):
            return True
        found = self.has_differences()
        if not found:
            self._accept(now)
        elif not known:
            self._other = now
        return found

    def has_differences(self) -> bool:
        """Return whether a thorough look finds a change."""
        return next(self.differences(), None) is not None

    def differences(self) -> Iterator[str]:
        """Yield paths of what is not what it was, such as `unet.mid_block.attentions.0.processor`."""
        for kept in self._objects:
            yield from (f"{kept.name}.{name}" for name in kept.differences())
        yield from (kept.name for kept in self._tensors if kept.written or kept.moved)
        for name, each in self.adapters.items():
            yield from (f"{name}.{path}" for path in each.differences())

    def is_as_it_was(self, part: nn.Module) -> bool:
        """Return whether a thorough look at one component finds no change; of one that is new, it cannot be told."""
        if id(part) not in self._of:
            self._of[id(part)] = self._part_state(part)
        state = self._of[id(part)]
        if state is None or state.adapters.changed:
            return False
        if any(next(kept.differences(), None) is not None for kept in state.objects):
            return False
        return not any(kept.written or kept.moved for kept in state.tensors)

    def _part_state(self, part: nn.Module) -> _PartState | None:
        """What was kept of a component; None if not all of it was."""
        adapters = [self.adapters[name] for name, each in list_modules(self._pipe).items() if each is part]
        things = {id(kept.thing): kept for kept in self._objects}
        held = {id(kept.tensor): kept for kept in self._tensors}
        objects = [things.get(id(module)) for module in part.modules()]
        objects += [
            things[id(value)] for module in part.modules() for value in vars(module).values() if id(value) in things
        ]
        tensors = [held.get(id(tensor)) for tensor in (*part.parameters(), *part.buffers())]
        found = [kept for kept in objects if kept is not None], [kept for kept in tensors if kept is not None]
        if not adapters or len(found[0]) < len(objects) or len(found[1]) < len(tensors):
            return None
        return _PartState(*found, adapters[0])

    @property
    def exchanged(self) -> bool:
        """Whether the pipeline has other components than it had."""
        return _modules(self._pipe) != self._parts

    def restore(self) -> list[str]:
        """Put back what a call left changed; return paths of what could not be: weights that were written into."""
        left = [kept.name for kept in self._tensors if kept.lost]
        left += [f"{kept.name}.{MERGED}" for kept in self._objects if MERGED in kept.differences()]  # writes uncounted
        with attaching:
            for kept in self._objects:
                if next(kept.differences(), None) is not None:
                    kept.restore(keep=bool(left))
        for each in self.adapters.values():
            each.restore()
        for tensor in self._tensors:
            if not tensor.lost and (tensor.moved or tensor.written):
                tensor.restore()
        left = left or list(self.differences())
        self._accept(self._quick())
        return left


def _modules(pipe: Any) -> dict[str, int]:
    return {name: id(part) for name, part in vars(pipe).items() if isinstance(part, nn.Module)}


def _objects(parts: Mapping[str, nn.Module]) -> Iterator[KeptObject]:
    """All modules, and the processors, configs and other plain objects that they hold, each once."""
    seen: set[int] = set()
    for name, part in parts.items():
        for path, module in part.named_modules(prefix=name):
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield KeptObject(path, module)
            for key, value in list(vars(module).items()):
                if id(value) not in seen and _is_plain_object(value):
                    seen.add(id(value))
                    yield KeptObject(f"{path}.{key}", value)


def _is_plain_object(value: Any) -> bool:
    others = (nn.Module, torch.Tensor, type, FunctionType, MethodType, ModuleType, torch.Generator)
    attributes = getattr(value, "__dict__", None)
    if attributes is None or isinstance(value, others):
        return False
    return bool(attributes) or not isinstance(value, CONTAINERS)
