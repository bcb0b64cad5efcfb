"""Which pipelines share weights, directly or by way of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import nn

from ....memory.offload.packed_weights import weights_of
from ....model.pipeline_components import list_modules


class Group(NamedTuple):
    """Pipelines that share weights with each other, and with no others.

    Attributes:
        names: of the pipelines.
        memory: what stands for the memory that their weights are in.
        modules: of them, each once.
    """

    names: frozenset[str]
    memory: frozenset[int]
    modules: tuple[nn.Module, ...]


def memory_of(modules: Iterable[nn.Module]) -> frozenset[int]:
    """Return what stands for the memory of modules' weights; tensors without numbers have none.

    Args:
        modules: whose weights may be here or aside.
    """
    tensors = (tensor for module in modules for tensor in weights_of(module) if tensor.numel())
    return frozenset(tensor.untyped_storage()._cdata for tensor in tensors)


def group_by_memory(pipelines: Mapping[str, Any]) -> list[Group]:
    """Return pipelines in groups by the weights that they share.

    Args:
        pipelines: by name.
    """
    groups: list[Group] = []
    for name, pipe in pipelines.items():
        modules = dict.fromkeys(list_modules(pipe).values())
        memory = memory_of(modules)
        names = frozenset({name})
        for other in [group for group in groups if group.memory & memory]:
            groups.remove(other)
            names, memory = names | other.names, memory | other.memory
            modules = dict.fromkeys((*other.modules, *modules))
        groups.append(Group(names, memory, tuple(modules)))
    return groups
