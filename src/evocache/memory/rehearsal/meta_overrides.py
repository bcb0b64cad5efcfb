"""What a rehearsal pretends, so that code that was not written for the meta device holds there what it does elsewhere.

Where what is held depends on values, which nobody knows there, it is as much as it may be: no mask is all true, so that
masks are made and used, and none is false anywhere, so that nothing is left out. What a mask's negation selects is
nothing, so that both together are the whole. All tokens go to one expert.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch.overrides import TorchFunctionMode

from .known_constants import note


class MetaOverrides(TorchFunctionMode):
    """Within the context, attention is done as the fused kernels do it, which never hold the scores.

    On the meta device, conditions on values do not hold, and no value is zero.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            return _attention(*args, **kwargs)
        if name == "__bool__" and args[0].is_meta:
            return False
        if name in _BY_VALUES and (args or tuple(kwargs.values()))[0].is_meta:
            return _BY_VALUES[name](*args, **kwargs)
        if name in ("__getitem__", "__setitem__") and args[0].is_meta:
            args = (args[0], _positions(args[1]), *args[2:])
        out = func(*args, **kwargs)
        if name in ("tensor", "as_tensor"):
            note(out, (args or tuple(kwargs.values()))[0])
        if name in _NEGATIONS and out.is_meta and out.dtype is torch.bool:
            out.selects_nothing = not _selects_nothing(args[0])
        return out


class HiddenMetaDevice(MetaOverrides):
    """Within the context, besides, tensors deny that they are on the meta device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = super().__torch_function__(func, types, args, kwargs)
        return _Elsewhere(out) if isinstance(out, torch.device) and out.type == "meta" else out


class _Elsewhere(str):
    """The meta device under the name of one that exists, for code that asks for it: `torch.autocast(x.device.type)`.

    PyTorch takes it for the meta device wherever it is given a device, since that may be a string.
    """

    __slots__ = ()
    index = None  # type: ignore[assignment]

    @property
    def type(self) -> str:
        """The type of device that the call would be made on."""
        return "cuda" if torch.cuda.is_available() else "cpu"


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    *_: Any,
    **__: Any,
) -> torch.Tensor:
    """Return the output of attention; kernels add their mask to scores, so that of a mask of truths a sum is made."""
    added = attn_mask is not None and attn_mask.dtype is torch.bool
    mask = torch.empty_like(attn_mask, dtype=query.dtype) if attn_mask is not None and added else None
    output = query.new_empty((*query.shape[:-1], value.shape[-1]))
    del mask  # it was there until now
    return output


def _nonzero(input: torch.Tensor, *, as_tuple: bool = False) -> torch.Tensor | tuple[torch.Tensor, ...]:
    """Return the positions of all values."""
    count = 0 if _selects_nothing(input) else input.numel()
    if as_tuple:
        return tuple(input.new_empty(count, dtype=torch.int64) for _ in input.shape)
    return input.new_empty((count, input.ndim), dtype=torch.int64)


def _bincount(input: torch.Tensor, weights: torch.Tensor | None = None, minlength: int = 0) -> torch.Tensor:
    """Return counts of which the first is all, as values that may be read."""
    counts = torch.zeros(max(minlength, 1), dtype=torch.int64 if weights is None else weights.dtype, device="cpu")
    counts[0] = input.numel()
    return counts


_BY_VALUES: dict[str, Any] = {"nonzero": _nonzero, "bincount": _bincount}
"""Functions whose output's shape depends on values."""

_NEGATIONS = frozenset({"__invert__", "bitwise_not", "logical_not"})


def _selects_nothing(mask: torch.Tensor) -> bool:
    return getattr(mask, "selects_nothing", False)


def _positions(index: Any) -> Any:
    """Return an index with the positions that masks select instead of the masks."""
    if not isinstance(index, (tuple, list)):
        found = _of_mask(index)
        return found if len(found) > 1 else found[0]
    return tuple(position for part in index for position in _of_mask(part))


def _of_mask(part: Any) -> tuple[Any, ...]:
    if isinstance(part, torch.Tensor) and part.is_meta and part.dtype is torch.bool:
        return cast(tuple[Any, ...], _nonzero(part, as_tuple=True))
    return (part,)
