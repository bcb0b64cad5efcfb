"""A point of a front: a schedule with what was searched for and measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...display import Displayed
from ..schedule import Schedule
from .comparison import explain_doubt, loses
from .context import Context


@dataclass(frozen=True)
class Point(Displayed):
    """A schedule of a front.

    Attributes:
        schedule: the schedule.
        objectives: by name, what the search minimised, on its calibration prompts.
        measured: by name, what was measured afterwards on held-out prompts and by the clock: `speedup`, `quality`
            (higher is better), `memory` (bytes of cached features), `peak` (bytes of the whole generation) and others;
            empty if nothing was.
        predicted: what is expected under the same names where nothing was measured, as after `Front.retarget`.
        steps: `num_inference_steps` of the calls that it was made for. `evocache.apply` gives them to a call that asks
            for none. None where that is not known, or the scheduler counts others.
        storage: the coding that features are stored in, as `evocache.apply` takes it.
        budget: bytes that a generation is planned to hold, weights included; None where nothing is planned.
        context: where it was evolved; its figures hold there alone. None where that was not noted.
    """

    schedule: Schedule
    objectives: Mapping[str, float]
    measured: Mapping[str, float] = field(default_factory=dict)
    predicted: Mapping[str, float] = field(default_factory=dict)
    steps: int | None = None
    storage: str = "none"
    budget: int | None = None
    context: Context | None = None

    def __str__(self) -> str:
        from .front_table import render_point

        return render_point(self)

    def noted(self) -> Schedule:
        """Return the schedule with what is known of the point in its provenance: figures, and as notes the rest."""
        steps = "" if self.steps is None else str(self.steps)
        budget = "" if self.budget is None else str(self.budget)
        storage = "" if self.storage == "none" else self.storage
        context = "" if self.context is None else str(self.context)
        said = {"num_inference_steps": steps, "storage": storage, "budget": budget, "evolved at": context}
        notes = {**self.schedule.provenance.notes, **{name: text for name, text in said.items() if text}}
        objectives = {**self.schedule.provenance.objectives, **self.objectives, **self.measured}
        return self.schedule.with_provenance(objectives=objectives, notes=notes)

    def figure(self, name: str) -> float | None:
        """Return what was measured, or else what is predicted, under a name."""
        return self.measured.get(name, self.predicted.get(name))

    @property
    def doubt(self) -> str:
        """Why its measured speed-up cannot be believed, in words; empty if it can."""
        return explain_doubt(self.measured)

    @property
    def sold(self) -> bool:
        """Whether `Front.pick` hands it out: its speed-up can be believed, and fewer steps are not as good."""
        fewer = loses(self.measured) and not self.schedule.is_full and "peak" not in self.objectives
        return not self.doubt and not fewer

    @property
    def held(self) -> float | None:
        """What `Front.pick` holds against a wish for memory: the peak where it is known, else the cached features."""
        peak = self.figure("peak")
        peak = self.objectives.get("peak") if peak is None else peak
        return self.figure("memory") if peak is None else peak
