"""What a rehearsal pretends, so that code that was not written for the meta device holds there what it does elsewhere.

Where what is held depends on values, which nobody knows there, it is as much as it may be: no mask is all true, so that
masks are made and used, and none is false anywhere, so that nothing is left out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class Pretence(TorchFunctionMode):
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
        if name == "nonzero" and (args or tuple(kwargs.values()))[0].is_meta:
            return _nonzero(*args, **kwargs)
        return func(*args, **kwargs)


class Denial(Pretence):
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


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return query.new_empty((*query.shape[:-1], value.shape[-1]))


def _nonzero(input: torch.Tensor, *, as_tuple: bool = False) -> torch.Tensor | tuple[torch.Tensor, ...]:
    """The positions of all values."""
    if as_tuple:
        return tuple(input.new_empty(input.numel(), dtype=torch.int64) for _ in input.shape)
    return input.new_empty((input.numel(), input.ndim), dtype=torch.int64)
