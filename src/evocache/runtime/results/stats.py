"""What a generation did: what ran, and what its cache held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...display import Displayed
from ...memory.planner.planner import Held
from ...schedule import Schedule
from ...schedule.liveness import Lifetimes, compute_shared_peak

if TYPE_CHECKING:
    from rich.console import RenderableType

    from .figures import BranchFigures, StoreFigures


@dataclass(frozen=True)
class Stats(Displayed):
    """Figures of one generation.

    Attributes:
        executed: by component, in how many denoiser calls it ran.
        calls: by denoiser, how often it was called; where a batch that guidance doubled is halved, its halves count.
        executed_fraction: share of the leaves' possible executions that took place.
        peak_cached_bytes: most bytes of features held at one time, as they are stored, as counted by the store.
        predicted_peak_bytes: the same, as liveness predicts it from the schedule and the features' sizes, if none are
            parked. Of a gate, as replaying its decisions would: it holds a little more, not knowing what will be read.
        moved_bytes: bytes of features that left the device, and that came back to it.
        stalled_seconds: how long waiting for them held up the host.
        cached_bytes: bytes held now (0 between generations).
        schedule: the schedule that was executed, for the steps that the pipeline asked for; of a gate its decisions,
            None where no single schedule does what it did.
        stages: what was held in each stage when most was, if that was asked for (`apply(..., measure=True)`). Features
            are counted with their own peak, and activations with what is left of that of the stage.
        warnings: what the user was warned of, in order; first what `apply` warned of.
        gate_bytes: most bytes of what a gate compared between steps, which are not among the cached ones.
    """

    executed: Mapping[str, int]
    calls: Mapping[str, int]
    executed_fraction: float
    peak_cached_bytes: int
    predicted_peak_bytes: int
    cached_bytes: int
    schedule: Schedule | None
    moved_bytes: int = 0
    stalled_seconds: float = 0.0
    stages: Mapping[str, Held] = field(default_factory=dict)
    gate_bytes: int = 0
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        from ...memory.planner.plan_table import stage_table
        from ...schedule.render import draw_heatmap
        from ...tables import plain

        parts: list[RenderableType] = [*self.lines()]
        parts += ["", stage_table(self.stages)] if self.stages else []
        parts += ["", draw_heatmap(self.schedule)] if self.schedule is not None else []
        return plain(*parts)

    def lines(self) -> list[str]:
        """Say in words what ran, what was held and moved, and what the user was warned of, a line each."""
        from ...tables import in_bytes, in_percent, in_seconds

        calls = ", ".join(f"{name} called {count} times" for name, count in self.calls.items())
        found = [f"{in_percent(self.executed_fraction)} executed" + (f"; {calls}" if calls else "")]
        found.append(f"{in_bytes(self.peak_cached_bytes)} cached at most")
        if self.gate_bytes:
            found.append(f"{in_bytes(self.gate_bytes)} compared by the gate at most")
        if self.moved_bytes:
            found.append(f"{in_bytes(self.moved_bytes)} moved, waited for {in_seconds(self.stalled_seconds)}")
        return found + [f"note: {text}" for text in self.warnings]

    @classmethod
    def of(
        cls,
        branches: Sequence[BranchFigures],
        store: StoreFigures,
        schedule: Schedule | None,
        gate_bytes: int = 0,
    ) -> Stats:
        """Add up the figures of the branches of a generation, and those of its store."""
        executed: dict[str, int] = {}
        calls: dict[str, int] = {}
        ran = possible = 0
        for branch in branches:
            calls[branch.denoiser] = calls.get(branch.denoiser, 0) + branch.calls
            for component, count in zip(branch.schedule.components, branch.executed, strict=True):
                executed[component.id] = executed.get(component.id, 0) + int(count)
            leaves = branch.schedule.tree.leaves
            ran += int(branch.executed[list(leaves)].sum())
            possible += branch.calls * len(leaves)
        passes: dict[int, list[Lifetimes]] = {}
        for branch in branches:
            passes.setdefault(branch.number, []).append(branch.lifetimes)
        predicted = max(map(compute_shared_peak, passes.values()), default=0)
        fraction = ran / possible if possible else 1.0
        held = (store.peak_bytes, predicted, store.bytes)
        moved = (store.moved, store.stalled)
        return cls(executed, calls, fraction, *held, schedule, *moved, gate_bytes=gate_bytes)

    def after(self, notices: Sequence[str]) -> Stats:
        """Return the same figures with earlier warnings before those of the generation, each of them once."""
        return replace(self, warnings=tuple(dict.fromkeys((*notices, *self.warnings)))) if notices else self

    def with_stages(self, stages: Mapping[str, Held]) -> Stats:
        """Return the same figures with what was held in each stage.

        What is cached is told apart from what is computed.
        """
        if "denoise" not in stages:
            return self
        whole, features = stages["denoise"], self.peak_cached_bytes
        denoise = Held(whole.weights, whole.activations - features, features)
        return replace(self, stages={**stages, "denoise": denoise})
