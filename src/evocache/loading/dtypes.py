"""Types of numbers, and devices, by their names."""

from __future__ import annotations

import re
from typing import Any

from ..errors import InputError

DTYPES = ("float32", "bfloat16", "float16")


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


def choose_device(name: str, slot: int = 0) -> str:
    """Return the device that is meant by a name: of `auto` and `cuda`, one of the GPUs, `auto` the CPU without one.

    Args:
        name: of a device.
        slot: which of the GPUs, counted over and over.
    """
    if name not in ("auto", "cuda"):
        return name
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"cuda:{slot % count}" if count else "cpu" if name == "auto" else name


def check_device(name: str) -> str:
    """Check the form of a device's name, without loading anything; whether there is one is seen when it is used.

    Raises:
        InputError: if no device is named so.
    """
    if not re.fullmatch(r"(auto|cpu|cuda|mps|xpu|npu|hpu|mlu|meta)(:\d+)?", name):
        raise InputError(f"device {name!r}", "auto, cpu, cuda, cuda:1, mps or the like", "try --device cpu")
    return name
