"""What stands for pipelines where only the bytes of their weights count."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from torch import nn

from evocache.serve.engine import Shelf


def model(kilobytes: int, *shared: nn.Module) -> Any:
    """What looks like a pipeline, of modules of some size."""
    own = nn.Linear(256, kilobytes, bias=False)
    parts = {"own": own, **{f"shared{at}": part for at, part in enumerate(shared)}}
    return SimpleNamespace(components=parts, **parts)


class Coded(nn.Parameter):
    """A weight of a class of its own, as quantised ones are."""


def come(shelf: Shelf, name: str) -> None:
    """Wait until weights are here."""
    came = threading.Event()
    shelf.bring(name, came.set)
    assert came.wait(10)
    assert shelf.has(name)
