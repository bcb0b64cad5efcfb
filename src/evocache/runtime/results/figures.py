"""Figures of branches and of the store: what is kept of them when their generation is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from ...memory import FeatureStore
from ...schedule import Schedule
from ...schedule.liveness import Lifetimes

if TYPE_CHECKING:
    from ..ops.branch import Branch


@dataclass(frozen=True, eq=False)
class BranchFigures:
    """What a branch did, in figures: nothing in it holds a module, a tensor or a store.

    Attributes:
        denoiser: name of its denoiser.
        number: number of its pass.
        start: the step at which it was called first.
        calls: how many denoiser calls it served.
        executed: by column of the schedule, in how many of them the component ran.
        lifetimes: what it stored and when.
    """

    denoiser: str
    number: int
    start: int
    calls: int
    executed: npt.NDArray[np.int64]
    lifetimes: Lifetimes

    @classmethod
    def of(cls, branch: Branch) -> BranchFigures:
        """Take the figures of a branch as they are now; they stay so if the branch goes on."""
        lifetimes = branch.lifetimes()
        sizes = dict(lifetimes.sizes)
        return cls(
            branch.denoiser.name,
            branch.number,
            branch.plan.start,
            branch.calls,
            branch.executed.copy(),
            lifetimes._replace(sizes=sizes),
        )

    @property
    def schedule(self) -> Schedule:
        """What it followed; of a gate, the schedule that its decisions are."""
        return self.lifetimes.schedule

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes of one stored value, as it is stored, by component id, in order of execution."""
        return self.lifetimes.sizes


class StoreFigures(NamedTuple):
    """What a feature store held and moved.

    Attributes:
        features: number of features that it holds.
        bytes: bytes that it holds on the device.
        peak_bytes: the most that it held there.
        moved: bytes that left for a tier and came back from it.
        stalled: seconds that waiting for the tier held up.
        coding: how features are stored.
    """

    features: int
    bytes: int
    peak_bytes: int
    moved: int
    stalled: float
    coding: str

    @classmethod
    def of(cls, store: FeatureStore) -> StoreFigures:
        """Take the figures of a store as they are now."""
        return cls(len(store), store.bytes, store.peak_bytes, store.moved, store.stalled, store.coding)
