"""Flags of the process that computing depends on and that a pipeline may set: types, kernels, precision, filters."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch


class Flag(NamedTuple):
    """Something that the process has one of.

    Attributes:
        read: returns it.
        write: sets it.
    """

    read: Callable[[], Any]
    write: Callable[[Any], object]


def _filters() -> list[Any]:
    return list(warnings.filters)


def _set_filters(filters: Any) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _core_flag(name: str) -> Flag | None:
    """A flag of torch's core; None where this torch has none of that name."""
    core: Any = torch._C
    read, write = getattr(core, f"_get_{name}", None), getattr(core, _SETTERS.get(name, f"_set_{name}"), None)
    return None if read is None or write is None else Flag(read, partial(_write, write))


def _write(write: Callable[..., object], value: Any) -> None:
    """Set a flag of torch's core; some are pairs, and are set by two arguments."""
    write(*value) if isinstance(value, tuple) else write(value)


def _precision(backend: str, operation: str) -> Flag:
    core: Any = torch._C
    return Flag(
        partial(core._get_fp32_precision_getter, backend, operation),
        partial(core._set_fp32_precision_setter, backend, operation),
    )


def _older(read: Callable[[], Any], write: Callable[[Any], object]) -> Flag:
    """A precision under its older name: None where it was set by operation, which the older name cannot tell."""

    def read_older() -> Any:
        try:
            return read()
        except RuntimeError:
            return None

    return Flag(read_older, lambda value: None if value is None else write(value))


_BY_BACKEND = hasattr(torch._C, "_get_fp32_precision_getter")
"""Whether this torch knows precisions of each backend and operation, which say what its older flags do, and more."""

_PRECISIONS = [
    *(("generic", "all"), ("cuda", "all"), ("cuda", "matmul"), ("cuda", "conv"), ("cuda", "rnn")),
    *(("mkldnn", "all"), ("mkldnn", "matmul"), ("mkldnn", "conv"), ("mkldnn", "rnn")),
]

_CORE = (
    "cublas_allow_fp16_reduced_precision_reduction",
    "cublas_allow_bf16_reduced_precision_reduction",
    "cublas_allow_fp16_accumulation",
    "cudnn_enabled",
    "cudnn_benchmark",
    "cudnn_deterministic",
    "mkldnn_enabled",
    "flash_sdp_enabled",
    "mem_efficient_sdp_enabled",
    "math_sdp_enabled",
    "cudnn_sdp_enabled",
    "math_sdp_allow_fp16_bf16_reduction",
)
"""Flags that torch's core has functions for, by what follows `_get_`."""

_SETTERS = {
    "flash_sdp_enabled": "_set_sdp_use_flash",
    "mem_efficient_sdp_enabled": "_set_sdp_use_mem_efficient",
    "math_sdp_enabled": "_set_sdp_use_math",
    "cudnn_sdp_enabled": "_set_sdp_use_cudnn",
}


def _precisions() -> list[Flag]:
    """Precisions under their older names, which set several by operation at once, and then those by operation."""
    found = [_older(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision)]
    cudnn = _core_flag("cudnn_allow_tf32")
    found += [] if cudnn is None else [_older(*cudnn)]
    return found + [_precision(*of) for of in (_PRECISIONS if _BY_BACKEND else ())]


PRECISIONS: Sequence[Flag] = tuple(_precisions())

COMPUTING: Sequence[Flag] = (
    *PRECISIONS,
    Flag(torch.get_default_dtype, torch.set_default_dtype),
    Flag(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    *(flag for name in _CORE if (flag := _core_flag(name)) is not None),
)
"""What outputs depend on: calls that differ in it are not computed together."""

FLAGS: Sequence[Flag] = (*COMPUTING, Flag(_filters, _set_filters))
"""All that is exchanged when another generation has its turn."""


def read_flags(flags: Sequence[Flag] = FLAGS) -> tuple[Any, ...]:
    """Return the values of flags."""
    return tuple([flag.read() for flag in flags])


def write_flags(values: Sequence[Any], now: Sequence[Any]) -> None:
    """Set `FLAGS` to values, where these are not what they are now; all precisions, if one is not."""
    if values == now:
        return
    precisions = values[: len(PRECISIONS)] != now[: len(PRECISIONS)]
    for at, (flag, value, found) in enumerate(zip(FLAGS, values, now, strict=True)):
        if value != found or (precisions and at < len(PRECISIONS)):
            flag.write(value)
