"""What is asked of engines, what these leave behind, and how far results are apart."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments

PIXART = FAMILIES["pixart"]


def asked(pipe: Any, **settings: Any) -> dict[str, Any]:
    """Arguments of a call of the tiny PixArt, of four steps if not told otherwise."""
    return arguments(PIXART, pipe, **{"steps": 4, **settings})


def engine_threads() -> list[threading.Thread]:
    """Threads of engines, and of all else in this process that names its threads after this library."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("evocache")]


def tensors(output: Any) -> list[torch.Tensor]:
    """What a pipeline returned, as tensors."""
    leaves = pytree.tree_leaves(output)
    return [torch.as_tensor(leaf) for leaf in leaves if isinstance(leaf, (torch.Tensor, np.ndarray))]


def difference(expected: Any, found: Any) -> float:
    """The largest difference of two outputs, relative to the largest number of the first."""
    pairs = list(zip(tensors(expected), tensors(found), strict=True))
    assert pairs
    return max(float((one.float() - other.float()).abs().max() / one.float().abs().max()) for one, other in pairs)
