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


def check_device(name: str) -> str:
    """Check the form of a device's name, without loading anything; whether there is one is seen when it is used.

    Raises:
        InputError: if no device is named so.
    """
    if not re.fullmatch(r"(auto|cpu|cuda|mps|xpu|npu|hpu|mlu|meta)(:\d+)?", name):
        raise InputError(f"device {name!r}", "auto, cpu, cuda, cuda:1, mps or the like", "try --device cpu")
    return name
