"""What is kept of a generation when it is over: what ran, and what was held. It holds no pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...errors import PolicyError
from ...memory import FeatureStore
from ...schedule import Schedule
from ..calls.branch_choice import Branches
from ..gates.gate_state import GateStates
from .stats import Stats

if TYPE_CHECKING:
    from ..ops.branch import Branch


@dataclass(frozen=True)
class Record:
    """A generation so far, or one that is over.

    Attributes:
        branches: the branches.
        store: the features.
        governors: what a gate decides.
        followed: the schedule, where no gate decides.
        warnings: what the user was warned of.
    """

    branches: Branches
    store: FeatureStore
    governors: GateStates
    followed: Schedule | None
    warnings: Sequence[str] = ()

    @property
    def finished(self) -> list[Branch]:
        """Branches that have ended."""
        return self.branches.finished

    @property
    def schedule(self) -> Schedule | None:
        """The schedule that is followed, or what a gate has decided so far; None before the first denoiser call.

        Raises:
            PolicyError: if no single schedule does what a gate decided.
        """
        return self.followed if self.governors.gate is None else self.governors.recorded()

    def stats(self) -> Stats:
        """Return what the generation did so far."""
        try:
            schedule = self.schedule
        except PolicyError:
            schedule = None
        stats = Stats.of(self.branches.all, self.store, schedule, self.governors.peak_bytes)
        return replace(stats, warnings=tuple(self.warnings))
