"""A call of a component that waits to be computed: by itself, or together with others of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..attach.call_scope import Op
from ..attach.region import Regions
from ..ops.latents import tensors_of


@dataclass(eq=False)
class Lane:
    """A call that waits, in the thread of its generation.

    Attributes:
        module: what is called.
        original: calls it: `original(module, *args, **kwargs)`.
        args: positional arguments.
        kwargs: named arguments.
        table: the operations of its schedule at this step, by module id.
        alone: why it is computed by itself; empty if it may meet others.
        rows: number of its samples, guidance's included; 0 if that is unknown.
        stage: `encode`, `denoise` or `decode`.
        work: what of the module is computed, as a share of all of it.
        regions: what of it is compiled; None if nothing is.
    """

    module: Any
    original: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    table: Mapping[int, Op] = field(default_factory=dict)
    alone: str = ""
    rows: int = 0
    stage: str = "denoise"
    work: float = 1.0
    regions: Regions | None = None

    def __post_init__(self) -> None:
        self.rows = self.rows or _rows(self.args, self.kwargs)
        if not self.rows:
            self.alone = self.alone or "its latents are not found"

    def compute(self) -> Any:
        """Compute it by itself, under the operations that its thread has set."""
        return self.original(self.module, *self.args, **self.kwargs)


SLICED = "it runs in slices"
"""Why a call of which parts wait for one another is computed by itself."""

Meet = Callable[[Lane], Any]
"""Takes a call, and returns what the denoiser returns for it. If it raises `Apart`, the call is made anew, alone."""

meeting: ContextVar[Meet | None] = ContextVar("meeting", default=None)
"""Where calls of the current thread are handed over; None where each is computed at once."""


def hand_over(
    original: Callable[..., Any],
    table: Mapping[int, Op] = MappingProxyType({}),
    alone: str = "",
    *,
    stage: str = "denoise",
    work: float = 1.0,
    regions: Regions | None = None,
    rows: int = 0,
) -> Callable[..., Any]:
    """Return what calls a component by way of the meeting of this thread; `original` itself if there is none.

    Args:
        original: calls the component.
        table: the operations of the call, by module id.
        alone: why the call can meet no other; empty if it may.
        stage: what it is part of: `encode`, `denoise` or `decode`.
        work: what of the component is computed, as a share of all of it.
        regions: what of it is compiled; None if nothing is.
        rows: number of its samples; 0 if they are to be counted.
    """
    meet = meeting.get()
    if meet is None:
        return original

    def met(module: Any, *args: Any, **kwargs: Any) -> Any:
        return meet(Lane(module, original, args, kwargs, table, alone, rows, stage, work, regions))

    return met


def _rows(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    samples, _ = tensors_of(args, kwargs)
    if not samples:
        return 0
    listed = "." in samples[0][0]  # a list of samples of any sizes
    return len(samples) if listed else len(samples[0][1])
