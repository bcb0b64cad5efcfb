"""Plain values that stand for numpy arrays, torch tensors and pictures in a key."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .content import Content, UnencodableError

_ARRAYS = (np.ndarray, np.memmap, np.matrix, np.recarray)
"""Classes of arrays whose type, shape and items say all; others, such as quantities with units, may mean more."""


def numpy_content(value: Any) -> Content:
    """Return what stands for an array, a scalar or a data type of numpy.

    Raises:
        UnencodableError: for everything else of numpy, such as generators of random numbers.
    """
    if isinstance(value, np.dtype):
        return "numpy dtype", str(value)
    if isinstance(value, np.generic):
        return f"numpy {type(value).__name__}", _items(np.asarray(value))
    if isinstance(value, np.ma.MaskedArray):
        return "masked array", (_items(value.data), _items(np.ma.getmaskarray(value)), value.fill_value)
    if isinstance(value, np.ufunc):
        return "numpy ufunc", value.__name__
    if type(value) in _ARRAYS:
        return f"numpy {type(value).__name__}", _items(np.asarray(value))
    raise UnencodableError(value)


def _items(array: np.ndarray[Any, Any]) -> tuple[str, tuple[int, ...], Any]:
    """Type, shape and items in the order of rows, however the array lies in memory."""
    kind = array.dtype
    if kind.names is not None:  # field by field: between them lie bytes that mean nothing
        return "fields", array.shape, [(name, _items(array[name])) for name in kind.names]
    if kind.hasobject:
        return kind.str, array.shape, array.ravel().tolist()
    if kind.char in "gG":  # long doubles are padded with anything
        return kind.str, array.shape, [repr(item) for item in array.ravel()]
    if kind.kind == "T":
        return str(kind), array.shape, array.ravel().tolist()
    return kind.str, array.shape, array.tobytes()


def torch_content(value: Any) -> Content:
    """Return what stands for a tensor, wherever it lies, or a type or device of torch.

    Tensors of the same content on a CPU and on an accelerator are two: so are their functions' answers.

    Raises:
        UnencodableError: for everything else of torch, such as modules, and for tensors without plain memory.
    """
    torch = sys.modules["torch"]
    kind = type(value)
    if kind in (torch.dtype, torch.device, torch.layout, torch.memory_format):
        return f"torch {kind.__name__}", str(value)
    if kind is torch.Size:
        return "torch Size", tuple(value)
    if kind not in (torch.Tensor, torch.nn.Parameter):
        raise UnencodableError(value)
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        why = "a tensor with plain memory"
        raise UnencodableError(value, why, "give a dense tensor")
    plain = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
    content = plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    where = (value.device.type, value.requires_grad)
    return f"torch {kind.__name__}", (str(value.dtype), tuple(value.shape), where, content)


def pillow_content(value: Any) -> Content:
    """Return what stands for a picture: its mode, size, pixels, palette and what its file said.

    Raises:
        UnencodableError: for films, which are at one of their frames, and for everything else of PIL.
    """
    if not isinstance(value, sys.modules["PIL.Image"].Image):
        raise UnencodableError(value)
    if getattr(value, "n_frames", 1) > 1:
        raise UnencodableError(value, "a picture of one frame", "give a frame as a picture of its own, with `copy()`")
    pixels = value.tobytes()  # loads what is only opened, and its palette
    palette = value.palette and (value.palette.mode, bytes(value.palette.palette))
    return "picture", (value.mode, value.size, pixels, palette, dict(value.info))
