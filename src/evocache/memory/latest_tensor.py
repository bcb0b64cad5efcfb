"""The latest of a series of tensors, kept without a copy for as long as nothing writes into it."""

from __future__ import annotations

import torch

from . import version


class LatestTensor:
    """The latest of a series of tensors, kept without a copy until one is written into; from then on as copies."""

    def __init__(self) -> None:
        self._tensor: torch.Tensor | None = None
        self._version: int | None = 0
        self._copies = False

    def keep(self, tensor: torch.Tensor) -> None:
        """Keep a tensor instead of the one before, without its graph."""
        tensor = tensor.detach() if tensor.requires_grad else tensor
        self._tensor = tensor.clone() if self._copies or tensor.is_inference() else tensor
        self._version = version(self._tensor)

    def get(self) -> torch.Tensor | None:
        """Return the tensor; None if there is none, or somebody has written into it."""
        if self._tensor is not None and version(self._tensor) != self._version:
            self._tensor, self._copies = None, True
        return self._tensor

    def drop(self) -> None:
        """Keep nothing."""
        self._tensor = None

    @property
    def bytes(self) -> int:
        """Bytes that are kept alive."""
        return 0 if self._tensor is None else self._tensor.numel() * self._tensor.element_size()
