"""The class of accelerated pipelines: one for each class of pipelines, whatever is applied to however many of them.

A pipeline's class is swapped for a subclass that looks for an `Acceleration` in the pipeline's `__dict__`. That knows
its pipeline weakly, so that a pipeline that is dropped is freed at once, as it is without. Copies and pickles have none
of it and are of the class as it was, and so is what the class itself makes.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any, Protocol

import torch

from .interception import attaching
from .subclasses import OURS, Subclasses, plain

KEY = OURS
"""Where in a pipeline's `__dict__` it is."""


class Acceleration(Protocol):
    """What an accelerated pipeline does.

    Attributes:
        owner: the pipeline; what else comes to hold this is not accelerated.
    """

    owner: weakref.ref[Any]

    @property
    def device(self) -> torch.device | None:
        """Where the pipeline computes; None if its class tells."""

    def run(self, pipe: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the pipeline."""


def acceleration(pipe: Any) -> Any | None:
    """Return what a pipeline is accelerated by; None if it is not."""
    held = getattr(pipe, "__dict__", {}).get(KEY)
    return held if held is not None and held.owner() is pipe else None


def accelerate(pipe: Any, what: Acceleration) -> None:
    """Have a pipeline do what is given instead."""
    with attaching:
        pipe.__dict__[KEY] = what
        object.__setattr__(pipe, "__class__", _accelerated(plain(pipe)))


def give_back(pipe: Any, what: Acceleration) -> None:
    """Give a pipeline its class back, if it does what is given; what somebody else made of it stays."""
    with attaching:
        if acceleration(pipe) is what:
            del pipe.__dict__[KEY]
            object.__setattr__(pipe, "__class__", plain(pipe))


def _methods(cls: Any) -> dict[str, Any]:
    """What the subclass of a pipeline's class defines."""
    call, init = cls.__call__, cls.__init__

    @functools.wraps(call)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        held = acceleration(self)
        return call(self, *args, **kwargs) if held is None else held.run(self, args, kwargs)

    @functools.wraps(init)
    def __new__(made: type, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        return cls(*args, **kwargs) if made is _accelerated(cls) else object.__new__(made)

    def computes(self: Any) -> Any:
        held = acceleration(self)
        device = None if held is None else held.device
        return cls._execution_device.fget(self) if device is None else device

    return {"__call__": __call__, "__new__": __new__, "_execution_device": property(computes)}


_accelerated = Subclasses(_methods)
