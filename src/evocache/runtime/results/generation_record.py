"""What is kept of a generation when it is over: what ran, and what was held, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...errors import PolicyError
from ...schedule import Schedule
from ..gates.gate_state import GateStates
from .figures import BranchFigures, StoreFigures
from .stats import Stats


@dataclass(frozen=True)
class Record:
    """A generation so far, or one that is over, in figures: it keeps nothing of the model or the cache alive.

    Attributes:
        branches: the branches, in the order in which they ended, then those that are open.
        store: the features.
        governors: what a gate decides.
        followed: the schedule, where no gate decides.
        warnings: what the user was warned of.
    """

    branches: Sequence[BranchFigures]
    store: StoreFigures
    governors: GateStates
    followed: Schedule | None
    warnings: Sequence[str] = ()

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
        stats = Stats.of(self.branches, self.store, schedule, self.governors.peak_bytes)
        return replace(stats, warnings=tuple(self.warnings))
