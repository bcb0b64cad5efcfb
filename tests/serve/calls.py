"""Requests for tiny pipelines, and their results."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from tests.tiny import Tiny


class _Asked(BaseException):
    pass


class _Spy:
    """Stands in for a pipeline, and sees what its call is given."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self.given: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)

    def __call__(self, **kwargs: Any) -> Any:
        self.given = kwargs
        raise _Asked


def arguments(tiny: Tiny, pipe: Any, **settings: Any) -> dict[str, Any]:
    """What a tiny pipeline's call is given, such as `seed=1, steps=4, guidance=True`."""
    spy = _Spy(pipe)
    try:
        tiny.call(spy, **settings)
    except _Asked:
        return spy.given
    raise AssertionError("the pipeline was not called")


def engine_threads() -> list[threading.Thread]:
    """Threads of engines that are alive."""
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
