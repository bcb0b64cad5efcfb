"""What a dry run sees of a generation: calls of components, stage by stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...memory.cudnn_workspace import Workspace
from ...memory.ledger import Extent
from ...memory.rehearsal.rehearsal import signature
from ..clock import Tick

STAGES = ("encode", "denoise", "decode")
"""Stages of a generation: before the first denoiser call, from there to the last, after it."""


@dataclass
class Act:
    """A call of a component.

    Attributes:
        name: the component's name in the pipeline.
        method: what of it is called: `__call__`, `encode` or `decode`.
        args: positional arguments, tensors on the meta device.
        kwargs: keyword arguments, likewise.
        held: bytes alive when it begins, weights and its arguments not included.
        extent: bytes alive around and during the call, its arguments included.
        tick: which of a generation's denoiser calls it is.
    """

    name: str
    method: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    held: int
    extent: Extent
    tick: Tick | None = None

    @property
    def peak(self) -> int:
        """Most bytes alive during the call, weights not included."""
        return self.held + self.extent.peak


def largest(acts: Iterable[Act]) -> Act:
    """Return the one of several calls that holds most."""
    return max(acts, key=lambda act: act.peak)


@dataclass
class DryRun:
    """What was seen of a generation.

    Attributes:
        steps: number of steps of the latest pass.
        acts: calls of components, by stage, in order.
        floors: most bytes alive in each stage while no component runs.
        workspace: what operations hold while they run, where that was counted.
        film: whether the pipeline was given what was decoded, or it was shown instead.
    """

    steps: int = 0
    acts: dict[str, list[Act]] = field(default_factory=lambda: {stage: [] for stage in STAGES})
    floors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    workspace: Workspace | None = None
    film: bool = False

    @property
    def form(self) -> object:
        """What decides how a generation is planned: two runs that show the same have the same plan."""
        acts = [
            (stage, a.name, a.method, signature(a.args, a.kwargs), a.held, a.extent.entry, a.extent.peak, a.tick)
            for stage, called in self.acts.items()
            for a in called
        ]
        return self.steps, tuple(acts), tuple(self.floors.items()), self.film

    def calls(self, denoiser: str) -> list[Act]:
        """Return the calls of a denoiser, in order."""
        return [act for act in self.acts["denoise"] if act.name == denoiser and act.tick is not None]

    @property
    def starts(self) -> dict[tuple[str, int], int]:
        """The step at which each branch of each denoiser is called first."""
        found: dict[tuple[str, int], int] = {}
        for act in self.acts["denoise"]:
            if act.tick is not None:
                found.setdefault((act.name, act.tick.call_index), act.tick.step)
        return found
