"""What is kept of a generation when it is over: what ran, and what was held. It holds no pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import PolicyError
from ..memory import FeatureStore
from ..schedule import Schedule
from .gates.gate_state import Governors
from .ops.branch_choice import Lanes
from .stats import Stats

if TYPE_CHECKING:
    from .ops.branch import Lane


@dataclass(frozen=True)
class Record:
    """A generation so far, or one that is over.

    Attributes:
        lanes: the lanes.
        store: the features.
        governors: what a gate decides.
        followed: the schedule, where no gate decides.
        warnings: what the user was warned of.
    """

    lanes: Lanes
    store: FeatureStore
    governors: Governors
    followed: Schedule | None
    warnings: Sequence[str] = ()

    @property
    def finished(self) -> list[Lane]:
        """Lanes that have ended."""
        return self.lanes.finished

    @property
    def schedule(self) -> Schedule | None:
        """The schedule that is followed, or what a gate has decided so far; None before the first denoiser call.

        Raises:
            PolicyError: if no single schedule does what a gate decided.
        """
        return self.followed if self.governors.gate is None else self.governors.recorded()

    def stats(self) -> Stats:
        """What the generation did so far."""
        try:
            schedule = self.schedule
        except PolicyError:
            schedule = None
        stats = Stats.of(self.lanes.all, self.store, schedule, self.governors.peak_bytes)
        return replace(stats, warnings=tuple(self.warnings))
