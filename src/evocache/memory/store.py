"""The feature store: holds computed features from their birth to their last read, and counts their bytes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch


class Stale(Exception):  # noqa: N818  (not an error: it tells the reader to compute instead)
    """A stored feature was changed in place after it was stored, so it must not be read."""


class FeatureStore:
    """Features by key. A feature is a list of tensors.

    Tensors are kept as they are, without a copy, unless they are part of something larger that would be kept alive
    with them, or unless the caller asks for a copy because the host changes its features in place.
    """

    def __init__(self) -> None:
        self._features: dict[Hashable, tuple[list[torch.Tensor], list[int]]] = {}
        self.bytes = 0
        self.peak_bytes = 0

    def __len__(self) -> int:
        return len(self._features)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._features

    def put(self, key: Hashable, tensors: Sequence[torch.Tensor], *, copy: bool = False) -> int:
        """Store a feature, replacing what the key held; returns its bytes."""
        self.free(key)
        kept = [_owned(t, tensors, copy) for t in tensors]
        self._features[key] = (kept, [version(t) for t in kept])
        size = sum(t.numel() * t.element_size() for t in kept)
        self.bytes += size
        self.peak_bytes = max(self.peak_bytes, self.bytes)
        return size

    def intact(self, key: Hashable) -> bool:
        """Whether a feature is there, as it was stored."""
        tensors, versions = self._features.get(key, ([], [-1]))
        return [version(t) for t in tensors] == versions

    def get(self, key: Hashable) -> list[torch.Tensor]:
        """The tensors of a feature, not copied.

        Raises:
            KeyError: if it is not there.
            Stale: if one of them was changed in place since it was stored.
        """
        if key in self._features and not self.intact(key):
            raise Stale(key)
        return self._features[key][0]

    def free(self, key: Hashable) -> None:
        """Forget a feature; nothing happens if it is not there."""
        feature = self._features.pop(key, None)
        if feature is not None:
            self.bytes -= sum(t.numel() * t.element_size() for t in feature[0])

    def clear(self) -> None:
        """Forget all features."""
        self._features.clear()
        self.bytes = 0


def _owned(tensor: torch.Tensor, beside: Sequence[torch.Tensor], copy: bool) -> torch.Tensor:
    """The tensor itself if it may be kept; else a copy of it."""
    if copy or tensor.is_inference():
        return tensor.clone()
    storage = tensor.untyped_storage()
    sharing = {id(t): t for t in beside if t.untyped_storage().data_ptr() == storage.data_ptr()}
    if storage.nbytes() > sum(t.numel() * t.element_size() for t in sharing.values()):
        return tensor.clone()
    return tensor


def version(tensor: torch.Tensor) -> int:
    """How often a tensor was written into; always 0 for inference tensors, which do not count it."""
    return 0 if tensor.is_inference() else tensor._version
