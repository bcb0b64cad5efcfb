"""Weights and buffers that calls share, as they were: the memory that they are in, and how often they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from ....memory import version

SMALL = 1 << 20
"""Bytes of a buffer up to which its numbers are kept a second time."""


class KeptTensor:
    """A tensor of a module, as it was; its memory is kept while the tensor is given other.

    Args:
        name: path of the tensor, for messages.
        tensor: a weight or a buffer.
        copied: whether its numbers are kept a second time, so that they can be given back where they were written over.
    """

    def __init__(self, name: str, tensor: torch.Tensor, copied: bool = False) -> None:
        self.name, self.tensor = name, tensor
        self._data = tensor.data
        self._version = version(tensor)
        self._copy = self._data.clone() if copied else None

    @property
    def lost(self) -> bool:
        """Whether numbers that it had are nowhere any more."""
        return self.written and self._copy is None

    @property
    def written(self) -> bool:
        """Whether somebody has written into it."""
        return version(self.tensor) != self._version

    @property
    def moved(self) -> bool:
        """Whether it has other memory, a type or a device that it had not."""
        now, before = self.tensor, self._data
        return place_of(now) != place_of(before) or (now.dtype, now.device) != (before.dtype, before.device)

    def restore(self) -> None:
        """Have the tensor be in its memory again, in its type, with its numbers."""
        if self.moved:
            self.tensor.data = self._data
        if self.written and self._copy is not None:
            self._data.copy_(self._copy)
            self._version = version(self.tensor)


def kept_tensors(parts: Mapping[str, nn.Module]) -> Iterator[KeptTensor]:
    """Yield the weights and buffers of components, each once."""
    seen: set[int] = set()
    for name, part in parts.items():
        found: list[tuple[str, torch.Tensor, bool]]
        found = [(path, weight, False) for path, weight in part.named_parameters()]
        found += [(path, buffer, buffer.nbytes <= SMALL) for path, buffer in part.named_buffers()]
        for path, tensor, copied in found:
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield KeptTensor(f"{name}.{path}", tensor, copied)


def place_of(tensor: torch.Tensor) -> int:
    """Return the address of a tensor's numbers; 0 where it has none that is told."""
    try:
        return tensor.data_ptr()
    except RuntimeError:
        return 0
