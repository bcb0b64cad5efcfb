"""A look at modules that is cheap enough for each hand-over: what tells whether a thorough look is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from .kept_object import KeptObject
from .kept_tensors import place_of

_TRAINED = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase, nn.RReLU, nn.MultiheadAttention)
"""Modules of torch that compute something else in training."""

_is_training, _version, _data_ptr = itemgetter("training"), attrgetter("_version"), torch.Tensor.data_ptr


class QuickLook:
    """Looks at attributes of the models' own modules, without a loop in Python as far as that goes.

    It sees what attributes of modules that are not torch's own, of processors and of configs are, but for numbers and
    words; what their lists and dictionaries hold, which modules are in them, and one weight of each for its memory and
    for whether it was written into: what moves or loads a module does so with all of its weights.

    Args:
        objects: modules, and what they hold.
    """

    def __init__(self, objects: Sequence[KeptObject]) -> None:
        watched = [kept for kept in objects if not is_torch_s(kept.thing)]
        self._held = [vars(kept.thing) for kept in watched]
        self._own = [(get, own) for kept, own in zip(watched, self._held, strict=True) if (get := _getter(kept))]
        self._training = [vars(kept.thing) for kept in objects if isinstance(kept.thing, _TRAINED)]
        containers = {id(value): value for kept in watched for value in kept.containers.values()}
        containers |= {id(own): own for kept in objects if (own := kept.containers.get("_modules"))}
        self._lists = [value for value in containers.values() if isinstance(value, list)]
        self._contents = [
            *(dict.values(value) for value in containers.values() if isinstance(value, dict)),
            *self._lists,
        ]
        self._sets = [value for value in containers.values() if isinstance(value, set)]
        self._weights = countable(_a_weight(kept.thing) for kept in watched)

    def __call__(self) -> Any:
        """Return what is equal as long as nothing was changed; None if something is gone."""
        try:
            return (
                RemovableHandle.next_id,
                list(map(len, self._held)),
                [get(own) for get, own in self._own],
                list(map(_is_training, self._training)),
                list(chain.from_iterable(self._contents)),
                list(map(len, self._lists)),
                list(map(frozenset, self._sets)),
                list(map(_version, self._weights)),
                list(map(_data_ptr, self._weights)),
            )
        except (KeyError, RuntimeError):
            return None


class PartLook:
    """Looks at all of some modules: the values of attributes, what is put on them and in them, and their weights.

    Args:
        objects: some of the modules.
    """

    def __init__(self, objects: Sequence[KeptObject]) -> None:
        self._held = [vars(kept.thing) for kept in objects]
        self._own = [(kept.get, own) for kept, own in zip(objects, self._held, strict=True)]
        registered = ("_parameters", "_modules", "_buffers")
        held = (value for kept in objects for key, value in kept.containers.items() if key in registered)
        self._contents = [dict.values(value) for value in held if isinstance(value, dict)]
        self._weights = countable(
            tensor for own in self._held for key in registered[::2] for tensor in own.get(key, {}).values()
        )

    def __call__(self) -> Any:
        """Return what is equal as long as nothing was changed; None if something is gone."""
        try:
            return (
                list(map(len, self._held)),
                [get(own) for get, own in self._own],
                list(chain.from_iterable(self._contents)),
                list(map(_version, self._weights)),
                list(map(_data_ptr, self._weights)),
            )
        except (KeyError, RuntimeError):
            return None


def _getter(kept: KeptObject) -> Callable[[Any], Any] | None:
    """What reads the attributes that pipelines are known to set: all but numbers and words, and all of flags."""
    module = isinstance(kept.thing, nn.Module)
    names = [name for name, value in kept.own.items() if not (module and type(value) in (int, float, str))]
    return itemgetter(*names) if names else None


def is_torch_s(thing: Any) -> bool:
    """Return whether a thing is a module of torch's own, such as a linear layer, or a list of modules."""
    return isinstance(thing, nn.Module) and type(thing).__module__.startswith("torch.nn.")


def countable(weights: Any) -> list[torch.Tensor]:
    """Return those of some weights that tell their memory, and count how often they are written into; each once."""
    found = {id(weight): weight for weight in weights if weight is not None}
    return [each for each in found.values() if not each.is_inference() and (place_of(each) or each.is_meta)]


def _a_weight(thing: Any) -> torch.Tensor | None:
    """A weight of a module: of its own, or of a module of torch's that it holds."""
    held = vars(thing)
    holders = [held, *(vars(each) for each in held.get("_modules", {}).values() if is_torch_s(each))]
    weights = (weight for each in holders for weight in each.get("_parameters", {}).values())
    return next((weight for weight in weights if weight is not None), None)
