"""evocache: diffusers pipelines that compute fewer features.

`apply(pipe, "fora:3")` accelerates a pipeline and returns the handle that undoes it; see the README.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import Error
    from .evolve_run import evolve
    from .model import discover
    from .runtime import Handle, apply
    from .runtime.apply import handle, remove
    from .runtime.estimate.estimate import plan_memory
    from .schedule import Schedule
    from .schedule.front import Front
    from .usage.cache.decorator import cached
    from .usage.cache.learning_cache import LearningCache

_HOMES = {
    "Error": "errors",
    "Front": "schedule.front",
    "Handle": "runtime",
    "Schedule": "schedule",
    "LearningCache": "usage.cache.learning_cache",
    "apply": "runtime",
    "cached": "usage.cache.decorator",
    "discover": "model",
    "evolve": "evolve_run",
    "handle": "runtime.apply",
    "plan_memory": "runtime.estimate.estimate",
    "remove": "runtime.apply",
}

__all__ = [
    "Error",
    "Front",
    "Handle",
    "LearningCache",
    "Schedule",
    "apply",
    "cached",
    "discover",
    "evolve",
    "handle",
    "plan_memory",
    "remove",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that the import itself costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("evocache")
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
