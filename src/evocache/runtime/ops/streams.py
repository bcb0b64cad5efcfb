"""How hidden-state streams flow through a block: which argument comes out, changed, as which part of the output."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

import torch

from ...model.outputs import Spec, make_blank, unpack

_FAVOURED = ("hidden_states", "encoder_hidden_states")


class Stored(NamedTuple):
    """Where one stored tensor goes: the output leaf it belongs to; added to the stream, or taking its place."""

    leaf: int
    stored: int
    residual: bool


@dataclass(frozen=True)
class Flow:
    """How a block is passed by.

    Attributes:
        template: leaves of its output, tensors replaced by stand-ins that take no memory.
        spec: how the leaves are nested.
        streams: pairs (argument name, output leaf): the argument goes on as that leaf.
    """

    template: tuple[Any, ...]
    spec: Spec
    streams: tuple[tuple[str, int], ...]


_known: WeakKeyDictionary[type, tuple[str, ...]] = WeakKeyDictionary()
"""Names of a class's positional arguments; a class that was made on the way goes when nobody else keeps it."""


def _parameters(cls: Any) -> tuple[str, ...]:
    names = _known.get(cls)
    if names is None:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        signature = inspect.signature(cls.forward)
        names = _known[cls] = tuple(n for n, p in signature.parameters.items() if p.kind in kinds)[1:]
    return names


def arguments(module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's arguments by name; positional ones beyond the signature are numbered."""
    names = _parameters(cast(Any, type(module)))
    named = {names[i] if i < len(names) else f"*{i}": value for i, value in enumerate(args)}
    named.update(kwargs)
    return named


def argument(
    module: torch.nn.Module, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], usual: int | None = None
) -> Any:
    """Return one of a call's arguments, by the name that `arguments` gives it; None if it is not given.

    `usual` is its place where the module knows no such name.
    """
    if name in kwargs:
        return kwargs[name]
    place = placed(module, name, usual)
    return args[place] if 0 <= place < len(args) else None


def placed(module: torch.nn.Module, name: str, usual: int | None = None) -> int:
    """Return the place of one of a call's arguments if it is not given by its name.

    -1 if it can only be given by that.
    """
    names = _parameters(cast(Any, type(module)))
    if name in names:
        return names.index(name)
    if usual is not None:
        return usual
    return int(name[1:]) if name.startswith("*") else -1


def linked(outputs: Sequence[Any], inputs: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return which output leaves *are* (the same object) which arguments of the next call."""
    return [
        (name, i)
        for i, leaf in enumerate(outputs)
        if isinstance(leaf, torch.Tensor)
        for name, value in inputs.items()
        if value is leaf
    ]


def flow(inputs: Mapping[str, Any], output: Any, links: Sequence[tuple[str, int]], known: Flow | None) -> Flow:
    """Return the flow of a block that was called with `inputs` and returned `output`.

    Args:
        inputs: arguments by name.
        output: what it returned.
        links: which output leaves the next block takes as which arguments, where that was seen.
        known: the flow of an earlier block, to be followed where nothing was seen.
    """
    leaves, spec = unpack(output)
    template = tuple(make_blank(leaf) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves)
    taken: dict[int, str] = {}
    for name, leaf in (*links, *(known.streams if known and known.spec == spec else ())):
        if leaf not in taken and name not in taken.values() and _alike(inputs.get(name), leaves[leaf]):
            taken[leaf] = name
    for leaf, value in enumerate(leaves):
        if leaf not in taken and isinstance(value, torch.Tensor):
            names = sorted(inputs, key=lambda n: _FAVOURED.index(n) if n in _FAVOURED else len(_FAVOURED))
            free = [n for n in names if n not in taken.values() and _alike(inputs[n], value)]
            if free:
                taken[leaf] = free[0]
    return Flow(template, spec, tuple((name, leaf) for leaf, name in sorted(taken.items())))


def _alike(a: Any, b: Any) -> bool:
    return (
        isinstance(a, torch.Tensor)
        and isinstance(b, torch.Tensor)
        and a.shape == b.shape
        and a.dtype == b.dtype
        and a.is_floating_point()
    )
