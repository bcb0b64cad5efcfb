"""What takes part in the comparison: a name, and a way of putting it on a pipeline and taking it off again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

STEPS = 20
"""Denoising steps of everything but *fewer steps*."""

UNCACHED = "uncached"
FEWER = "fewer steps"
POLICY = "policy"
CALIBRATED = "calibrated policy"
FRONT = "evolved front"


@dataclass(frozen=True)
class Session:
    """A contender on a pipeline.

    Attributes:
        around: made anew around each call of the pipeline.
        roots: objects that hold what is cached at this moment; looked through after each denoiser call.
        peak: most bytes cached so far, where the contender counts for itself.
    """

    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    roots: Callable[[], list[object]] = list
    peak: Callable[[], int] | None = None


@dataclass(frozen=True)
class Contender:
    """One way of generating.

    Attributes:
        name: unique, as in tables.
        family: contenders that differ in strength only.
        on: puts it on a pipeline, and off at the end.
        settings: what it was configured with; anything that JSON can hold.
        steps: `num_inference_steps` of the call.
    """

    name: str
    family: str
    on: Callable[[Any], AbstractContextManager[Session]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps: int = STEPS
