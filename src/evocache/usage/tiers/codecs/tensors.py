"""Arrays, tensors and containers of them: their memory as a safetensors file, the rest as JSON in its header."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

import numpy as np

from .plain import JsonCodec
from .safe_file import Block, read, write

_NUMPY = {
    "|b1": "BOOL", "|u1": "U8", "|i1": "I8", "<u2": "U16", "<i2": "I16", "<f2": "F16", "<u4": "U32", "<i4": "I32",
    "<f4": "F32", "<u8": "U64", "<i8": "I64", "<f8": "F64", "<c8": "C64",
}  # fmt: skip
_TORCH = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "int16": "I16", "float16": "F16", "bfloat16": "BF16", "int32": "I32",
    "float32": "F32", "int64": "I64", "float64": "F64", "complex64": "C64", "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2", "uint16": "U16", "uint32": "U32", "uint64": "U64",
}  # fmt: skip
"""Types of items by their names; those without a name in the format are written as plain bytes."""

_PLAIN = JsonCodec()


class TensorsCodec:
    """Arrays and tensors, and lists, tuples and dicts of texts with at least one of them.

    Types, shapes, the order of memory (rows or columns first), devices and `requires_grad` come back as they were.
    """

    name = "tensors"

    def encodes(self, value: Any) -> bool:
        """Return whether there is an array or tensor in it, and nothing that could not be given back."""
        found = [False]
        return self._fits(value, found) and found[0]

    def _fits(self, value: Any, found: list[bool]) -> bool:
        kind = type(value)
        if kind is list or kind is tuple:
            return all(self._fits(item, found) for item in value)
        if kind is dict:
            return all(_PLAIN.encodes(name) and type(name) is str for name in value) and all(
                self._fits(item, found) for item in value.values()
            )
        if kind is np.ndarray or isinstance(value, np.generic):
            found[0] = True
            return value.dtype.kind in "biufcmMSU" and value.dtype.char not in "gG"
        torch = sys.modules.get("torch")
        if torch is not None and kind is torch.Tensor:
            found[0] = True
            return value.layout == torch.strided and not value.is_quantized and not value.is_meta and value.is_leaf
        return _PLAIN.encodes(value)

    def dumps(self, value: Any) -> bytes:
        """Return a safetensors file."""
        blocks: list[Block] = []
        return write(blocks, json.dumps(_taken_apart(value, blocks), ensure_ascii=False, separators=(",", ":")))

    def loads(self, payload: bytes) -> Any:
        """Return the value, with arrays and tensors of their own memory.

        Raises:
            Exception: if torch is not installed, or a tensor's device is not there.
        """
        blocks, note = read(payload)
        return _put_together(json.loads(note), blocks)


def _taken_apart(value: Any, blocks: list[Block]) -> Any:
    """JSON that says where in a value which array stands; each container is a list that begins with its kind."""
    kind = type(value)
    if kind is list or kind is tuple:
        return [kind.__name__, *(_taken_apart(item, blocks) for item in value)]
    if kind is dict:
        return ["dict", {name: _taken_apart(item, blocks) for name, item in value.items()}]
    if kind is np.ndarray or isinstance(value, np.generic):
        turned = kind is np.ndarray and value.flags.f_contiguous and not value.flags.c_contiguous
        array = np.asarray(value).T if turned else np.asarray(value)
        _add(blocks, _NUMPY.get(array.dtype.str), array.shape, array.tobytes())
        place = "scalar" if isinstance(value, np.generic) else "columns" if turned else "rows"
        return ["numpy", place, array.dtype.str, list(array.shape)]
    if kind.__module__ == "torch":
        plain = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
        name = str(value.dtype).removeprefix("torch.")
        memory = plain.reshape(-1).view(sys.modules["torch"].uint8).numpy().tobytes()
        _add(blocks, _TORCH.get(name), tuple(value.shape), memory)
        return ["torch", str(value.device), name, list(value.shape), value.requires_grad]
    return value


def _add(blocks: list[Block], type: str | None, shape: tuple[int, ...], memory: bytes) -> None:
    blocks.append(Block(type, shape, memory) if type else Block("U8", (len(memory),), memory))


def _put_together(tree: Any, blocks: list[Block]) -> Any:
    """The value; arrays are met in the order in which they were written."""
    left = iter(blocks)

    def build(part: Any) -> Any:
        if type(part) is not list:
            return part
        kind = part[0]
        if kind in ("list", "tuple"):
            items = [build(item) for item in part[1:]]
            return tuple(items) if kind == "tuple" else items
        if kind == "dict":
            return {name: build(item) for name, item in part[1].items()}
        return (_array if kind == "numpy" else _tensor)(part, bytearray(next(left).data))

    return build(tree)


def _array(part: list[Any], memory: bytearray) -> Any:
    _, place, dtype, shape = part
    array = np.ndarray(shape, np.dtype(dtype), memory)
    return array[()] if place == "scalar" else array.T if place == "columns" else array


def _tensor(part: list[Any], memory: bytearray) -> Any:
    torch = import_module("torch")
    _, device, name, shape, graded = part
    dtype = getattr(torch, name)
    plain = torch.frombuffer(memory, dtype=dtype).reshape(shape) if memory else torch.empty(shape, dtype=dtype)
    return plain.to(device).requires_grad_(graded)
