"""A feature, or a piece of one, as it is stored: what is kept of its tensors, coded or as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from .quantization import Quantized, decode, encode
from .tiers.tier import Parked

Form = tuple[str, torch.dtype, int]


@dataclass(slots=True)
class Piece:
    """A feature, or a piece of one: on the device, parked in a lower tier, or both; never neither.

    Attributes:
        size: bytes.
        forms: of each tensor, its coding, its own type, and of how many parts it consists; None if none is coded.
        tensors: the parts of all, as they are kept on the device; None while they are not there.
        seen: those whose writes are counted, and how often each had been written into when it was stored.
        parked: the same in the tier.
        counted: whether it counts for the device.
    """

    size: int
    forms: list[Form] | None
    tensors: list[torch.Tensor] | None
    seen: list[tuple[torch.Tensor, int]]
    parked: Parked | None = None
    counted: bool = True

    def intact(self) -> bool:
        """Return whether nothing was written into it since it was stored."""
        for tensor, version in self.seen:  # noqa: SIM110  (`all` costs more than the look)
            if tensor._version != version:
                return False
        return True


def coded_parts(tensors: Sequence[torch.Tensor], coding: str, copy: bool) -> tuple[list[torch.Tensor], list[Form]]:
    """Return what is kept of tensors in a coding, and its form; those that stay as they are as without a coding."""
    coded = [encode(t, coding) for t in tensors]
    plain = [c.parts[0] for c in coded if c.coding == "none"]
    kept = [owned(t, plain, copy) if c.coding == "none" else t for c in coded for t in c.parts]
    return kept, [(c.coding, c.dtype, len(c.parts)) for c in coded]


def decoded_parts(parts: Sequence[torch.Tensor], forms: Sequence[Form], copy: bool) -> list[torch.Tensor]:
    """Return the tensors of which parts are kept; if a copy is asked for, those that were not coded as well."""
    left = iter(parts)
    found = [decode(Quantized(coding, dtype, tuple(islice(left, count)))) for coding, dtype, count in forms]
    return [t.clone() if copy and form[0] == "none" else t for t, form in zip(found, forms, strict=True)]


def owned(tensor: torch.Tensor, beside: Sequence[torch.Tensor], copy: bool) -> torch.Tensor:
    """Return the tensor itself if it may be kept; else a copy of it."""
    if copy or tensor.is_inference():
        return tensor.clone()
    storage = tensor.untyped_storage()
    if storage.nbytes() <= tensor.nbytes:
        return tensor
    sharing = {id(t): t for t in beside if t.untyped_storage().data_ptr() == storage.data_ptr()}
    return tensor.clone() if storage.nbytes() > sum(t.nbytes for t in sharing.values()) else tensor


def write_counts(tensors: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, int]]:
    """Tensors whose writes are counted, and how often each was written into."""
    return [(t, t._version) for t in tensors if not t.is_inference()]
