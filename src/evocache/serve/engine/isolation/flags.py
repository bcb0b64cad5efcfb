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


def _matmul_precision() -> Any:
    """The precision under its older name; None where it was set under the newer ones, which the older cannot tell."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


def _set_matmul_precision(value: Any) -> None:
    if value is not None:
        torch.set_float32_matmul_precision(value)


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
    *(() if _BY_BACKEND else ("cublas_allow_tf32", "cudnn_allow_tf32")),
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

COMPUTING: Sequence[Flag] = (
    Flag(torch.get_default_dtype, torch.set_default_dtype),
    Flag(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    Flag(_matmul_precision, _set_matmul_precision),
    *(_precision(*of) for of in (_PRECISIONS if _BY_BACKEND else ())),
    *(flag for name in _CORE if (flag := _core_flag(name)) is not None),
)
"""What outputs depend on: calls that differ in it are not computed together."""

FLAGS: Sequence[Flag] = (*COMPUTING, Flag(_filters, _set_filters))
"""All that is exchanged when another generation has its turn."""


def read_flags(flags: Sequence[Flag] = FLAGS) -> tuple[Any, ...]:
    """Return the values of flags."""
    return tuple([flag.read() for flag in flags])


def write_flags(values: Sequence[Any], now: Sequence[Any]) -> None:
    """Set `FLAGS` to values, where these are not what they are now."""
    if values == now:
        return
    for flag, value, found in zip(FLAGS, values, now, strict=True):
        if value != found:
            flag.write(value)
