"""A call's arguments as a list of leaves, and back. It is done for each call that waits: most are not nested at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.utils import _pytree as pytree

from ..lru import LRU
from .lane import Lane

Leaf = Any

Spec = Any
"""How an argument is nested; None for a leaf."""

CONTAINERS = (list, tuple, dict)


class Flat(NamedTuple):
    """A call's arguments.

    Attributes:
        leaves: tensors, lists of samples, and all else.
        places: the place of each, such as `added_cond_kwargs['resolution']`.
        names: the place of each argument: a number, or its name.
        specs: how each argument is nested.
    """

    leaves: list[Leaf]
    places: tuple[str, ...]
    names: tuple[int | str, ...]
    specs: tuple[Spec, ...]

    def nested(self, leaves: Sequence[Leaf]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return arguments that are nested as these are, of other leaves."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        at = 0
        for name, spec in zip(self.names, self.specs, strict=True):
            if spec is None:
                value, at = leaves[at], at + 1
            else:
                end = at + spec.num_leaves
                value, at = pytree.tree_unflatten(leaves[at:end], spec), end
            if isinstance(name, str):
                kwargs[name] = value
            else:
                args.append(value)
        return tuple(args), kwargs


def flat(lane: Lane) -> Flat:
    """Return the arguments of a call, flat."""
    rows = lane.rows
    arguments: list[tuple[int | str, Any]] = [*enumerate(lane.args), *lane.kwargs.items()]
    listed = bool(arguments) and isinstance(arguments[0][1], list)

    def is_leaf(value: Any) -> bool:
        """Whether a value is a list with an entry for each sample; of tensors, only if the latents are one."""
        as_long = type(value) is list and len(value) == rows
        return as_long and (listed or not any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(value)))

    leaves: list[Leaf] = []
    places: list[str] = []
    specs: list[Spec] = []
    for name, value in arguments:
        if _is_bare(value):
            paths, spec = _known.get_or_make(tuple(value), partial(_of_bare, value))
            leaves += value.values()
            places += [f"{name}{path}" for path in paths]
            specs.append(spec)
            continue
        if type(value) in _BARE or not _may_be_nested(value):
            leaves.append(value)
            places.append(str(name))
            specs.append(None)
            continue
        found, paths, spec = _flattened(value, is_leaf)
        leaves += found
        places += [f"{name}{path}" for path in paths]
        specs.append(spec)
    return Flat(leaves, tuple(places), tuple(name for name, _ in arguments), tuple(specs))


_BARE = frozenset((torch.Tensor, type(None), bool, int, float, str, torch.dtype))
"""Types of what is a leaf, and of what most dictionaries of arguments hold."""

_known: LRU[tuple[str, ...], tuple[list[str], Spec]] = LRU(64)
"""Paths and nesting of dictionaries of leaves, by their keys."""


def _is_bare(value: Any) -> bool:
    """Whether a value is a dictionary of leaves by name, as most containers among arguments are."""
    return type(value) is dict and _BARE.issuperset(map(type, value.values())) and _NAMES.issuperset(map(type, value))


_NAMES = frozenset((str,))


def _of_bare(value: dict[str, Any]) -> tuple[list[str], Spec]:
    """The paths of a dictionary of leaves, and how it is nested."""
    _, paths, spec = _flattened(value, lambda _: False)
    return paths, spec


def _flattened(value: Any, is_leaf: Callable[[Any], bool]) -> tuple[list[Leaf], list[str], Spec]:
    """The leaves of an argument, the path of each, and how it is nested; outputs of models tell no paths."""
    try:
        found, spec = pytree.tree_flatten_with_path(value, is_leaf=is_leaf)
    except ValueError:
        leaves, spec = pytree.tree_flatten(value, is_leaf=is_leaf)
        return leaves, [f"<{type(value).__name__} {at}>" for at in range(len(leaves))], spec
    return [leaf for _, leaf in found], [pytree.keystr(path) for path, _ in found], spec


def _may_be_nested(value: Any) -> bool:
    """Whether a value may be a container: those of Python and what libraries register."""
    return not isinstance(value, torch.Tensor) and (
        isinstance(value, CONTAINERS) or type(value) in pytree.SUPPORTED_NODES
    )
