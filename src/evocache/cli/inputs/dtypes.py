"""Types of numbers by their names."""

from __future__ import annotations

from typing import Any

from ..ui.failures import InputError

DTYPES = ("float32", "bfloat16", "float16")


def named_dtype(name: str, device: str = "cuda") -> Any:
    """The type of a name; `auto` is bfloat16 on a GPU, float32 elsewhere.

    Raises:
        InputError: if there is no such type.
    """
    import torch

    if name == "auto":
        name = "float32" if device == "cpu" else "bfloat16"
    if name not in DTYPES:
        raise InputError(f"type {name!r}", f"one of {', '.join(DTYPES)}", "choose one with --dtype")
    return getattr(torch, name)
