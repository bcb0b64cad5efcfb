"""Types of numbers by their names."""

from __future__ import annotations

import re
from typing import Any

from ..ui.failures import InputError

DTYPES = ("float32", "bfloat16", "float16")

STORAGES = ("none", "bf16", "fp8", "int8")
"""What features may be stored in (`memory.quantization.CODINGS`, which takes torch to be read)."""


def find_dtype(name: str, device: str = "cuda") -> Any:
    """Find the type of a name; `auto` is bfloat16 on a GPU, float32 elsewhere.

    Raises:
        InputError: if there is no such type.
    """
    check_dtype(name)
    import torch

    if name == "auto":
        name = "float32" if device == "cpu" else "bfloat16"
    return getattr(torch, name)


def check_dtype(name: str) -> str:
    """Check the name of a type, without loading anything.

    Raises:
        InputError: if there is no such type.
    """
    if name not in ("auto", *DTYPES):
        raise InputError(f"type {name!r}", f"auto, or one of {', '.join(DTYPES)}", "choose one with --dtype")
    return name


def check_device(name: str) -> str:
    """Check the form of a device's name, without loading anything; whether there is one is seen when it is used.

    Raises:
        InputError: if no device is named so.
    """
    if not re.fullmatch(r"(auto|cpu|cuda|mps|xpu|npu|hpu|mlu|meta)(:\d+)?", name):
        raise InputError(f"device {name!r}", "auto, cpu, cuda, cuda:1, mps or the like", "try --device cpu")
    return name


def check_storage(names: str | None) -> str | None:
    """Check names of what features are stored in, with commas between them, without loading anything.

    Raises:
        InputError: if there is no such storage.
    """
    for name in (names or "none").split(","):
        if name.strip() not in STORAGES:
            raise InputError(f"storage {name.strip()!r}", f"one of {', '.join(STORAGES)}", "choose one with --storage")
    return names
