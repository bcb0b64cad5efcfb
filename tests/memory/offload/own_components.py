"""Pipelines that share some components and have others of their own."""

from __future__ import annotations

from typing import Any

from tests.runtime.stepped import COPIES
from tests.tiny import FAMILIES


def with_own(pipe: Any, *names: str) -> Any:
    """A copy of a pipeline with components of its own."""
    twin, built = COPIES["a shallow copy"](pipe), FAMILIES["sd15"].build()
    for name in names:
        setattr(twin, name, getattr(built, name))
    return twin
