"""The planner: what is offloaded, sliced and parked to fit a budget in the least predicted time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...display import Displayed
from ...errors import BudgetError
from ..quantization import check_coding
from ..swapping.capacity_shares import Kept, Shares
from .footprint import Choice, Cut, Footprint, Stage

AHEAD = 2
"""Events that a feature starts coming back ahead of its read."""


@dataclass(frozen=True)
class Machine:
    """What moves and launches cost.

    Attributes:
        link: bytes per second between the device and the tier below it, one way.
        launch: seconds that one more operation takes, of many where there was one.
        flop: seconds that a floating-point operation takes while features move beside it; 0 where moves take the time
            of what computes, so that nothing hides behind it.
    """

    link: float = 12e9
    launch: float = 10e-6
    flop: float = 1e-14


USUAL = Machine()


class Held(NamedTuple):
    """What is on the device when most is, in bytes.

    Attributes:
        weights: of the pipeline's components.
        activations: what is computed, and what the pipeline holds besides.
        features: what is cached.
    """

    weights: int
    activations: int
    features: int = 0

    @property
    def bytes(self) -> int:
        """All together."""
        return sum(self)


@dataclass(frozen=True)
class MemoryPlan(Displayed):
    """How a generation is made to fit.

    Attributes:
        budget: bytes that it may hold; None if there is no limit.
        stages: what is held in each stage when most is, as predicted.
        offload: components that are on the device only in the stages that need them, and these stages.
        cuts: modules of each denoiser that are run in slices, by path.
        encode: how the stage before denoising is run.
        decode: how latents are decoded.
        capacity: bytes of features that each branch may hold on the device; None where nothing is parked.
        ahead: events that a feature starts coming back ahead of its read.
        features: bytes of one stored value of each component of each denoiser, in order of execution.
        moved: bytes of features that leave the device and come back.
        seconds: predicted time that all this adds to a generation.
        storage: the coding that features are stored in: `none`, `bf16`, `fp8` or `int8` (see `memory.quantization`). It
            changes what is generated, so that it is given, never planned.

    Raises:
        PolicyError: if there is no coding of that name.
    """

    budget: int | None
    stages: Mapping[str, Held]
    offload: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cuts: Mapping[str, Mapping[str, Cut]] = field(default_factory=dict)
    encode: Choice | None = None
    decode: Choice | None = None
    capacity: int | None = None
    ahead: int = AHEAD
    features: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    moved: int = 0
    seconds: float = 0.0
    storage: str = "none"

    def __post_init__(self) -> None:
        check_coding(self.storage)

    @property
    def peak(self) -> int:
        """Predicted peak bytes of the generation."""
        return max(held.bytes for held in self.stages.values())

    def __str__(self) -> str:
        from .plan_table import plan_text

        return plan_text(self)


def plan(footprint: Footprint, budget: int | None, machine: Machine = USUAL, *, offload: bool = True) -> MemoryPlan:
    """Find the plan of least predicted time among those that fit a budget.

    Args:
        footprint: what the generation holds.
        budget: bytes; None asks for the generation as it is.
        machine: what moves and launches cost.
        offload: whether components may leave the device.

    Raises:
        BudgetError: if none fits; it says by how many bytes, and what would meet them.
    """
    shares = _shares(footprint)
    if budget is None:
        return _as_it_is(footprint, shares)
    denoisings = _denoisings(footprint)
    ways = [way for away in footprint.ways(offload) for way in _ways(footprint, budget, machine, away, denoisings)]
    fitting = [way for way in ways if way.room >= shares.least]
    if fitting:
        return _fastest(footprint, machine, fitting, shares)
    raise BudgetError(budget, _needs(footprint, offload, shares))


def smallest(footprint: Footprint, machine: Machine = USUAL, *, offload: bool = True) -> MemoryPlan:
    """Find the plan for the least budget that can be met."""
    return plan(footprint, least(footprint, offload=offload), machine, offload=offload)


def least(footprint: Footprint, *, offload: bool = True) -> int:
    """Return bytes of the least budget that can be met."""
    return max(_needs(footprint, offload, _shares(footprint)).values())


def _shares(footprint: Footprint) -> Shares:
    return Shares([branch.lives for branch in footprint.branches], AHEAD)


def _needs(footprint: Footprint, offload: bool, shares: Shares) -> dict[str, int]:
    """Bytes that each stage needs at the least; of what is parked, branches are given equal shares."""
    active = max((print.peak(0) for print in footprint.denoise.values()), default=0)
    least = {"encode": _least(footprint.encode), "denoise": active + shares.least, "decode": _least(footprint.decode)}
    found = [
        {stage: _base(footprint, stage, away) + held for stage, held in least.items()}
        for away in footprint.ways(offload)
    ]
    return min(found, key=lambda peaks: max(peaks.values()))


def _as_it_is(footprint: Footprint, shares: Shares) -> MemoryPlan:
    (away,) = footprint.ways(False)
    calls = footprint.denoise
    active = max(call.peak() for call in calls.values())
    stages = {
        "encode": Held(_base(footprint, "encode", away), footprint.encode.choices[0].surge),
        "denoise": Held(_base(footprint, "denoise", away), active, shares.whole),
        "decode": Held(_base(footprint, "decode", away), footprint.decode.choices[0].surge),
    }
    return MemoryPlan(None, stages, _needs_of(footprint, away), features=footprint.features, storage=footprint.storage)


WHOLE = 1 << 62
"""A capacity that parks nothing."""


def _base(footprint: Footprint, stage: str, away: Sequence[str]) -> int:
    """Bytes of weights on the device in a stage, and of what is held all along."""
    needed = footprint.present[stage]
    return footprint.held + sum(size for name, size in footprint.weights.items() if name not in away or name in needed)


def _needs_of(footprint: Footprint, away: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The stages that need each component of those that leave."""
    return {name: footprint.needing(name) for name in away}


def _fetched_bytes(footprint: Footprint, away: Sequence[str]) -> int:
    """Bytes of weights that come to the device in a generation: each component once for stages one after the other."""
    if footprint.offloaded:
        return 0
    stages = tuple(footprint.present)
    moved = 0
    for name in away:
        there = [name in footprint.present[stage] for stage in stages]
        moved += footprint.weights[name] * sum(now and not before for before, now in pairwise([False, *there]))
    return moved


def _least(stage: Stage) -> int:
    return min(choice.surge for choice in stage.choices)


class _Way(NamedTuple):
    """A way of keeping within a budget; what is parked to that end is open yet.

    Attributes:
        first: the plan, but for denoising.
        limit: bytes that activations of denoising are kept within, as far as slices can.
        base: bytes of weights on the device while denoising.
        active: bytes of activations.
        room: bytes that are left to features.
        seconds: time that all but parking adds.
    """

    first: MemoryPlan
    limit: int
    base: int
    active: int
    room: int
    seconds: float


class _Denoising(NamedTuple):
    """A way of running the denoisers: bytes that slices keep activations to, and what comes of it."""

    limit: int
    active: int
    operations: int


def _denoisings(footprint: Footprint) -> list[_Denoising]:
    """Every way of running the denoisers, the one that holds most first."""
    prints = footprint.denoise.values()
    limits = sorted({limit for print in prints for limit in print.limits()}, reverse=True)
    peaks, operations = zip(*(print.along(limits) for print in prints), strict=True)
    most, added = np.maximum.reduce(peaks), np.maximum.reduce(operations) * footprint.calls
    return [_Denoising(*way) for way in zip(limits, most.tolist(), added.tolist(), strict=True)]


def _ways(
    footprint: Footprint, budget: int, machine: Machine, away: tuple[str, ...], denoisings: Sequence[_Denoising]
) -> Iterator[_Way]:
    """Ways of denoising: the larger activations may be, the fewer slices there are, and the less room for features."""
    ends = {}
    for name, stage in (("encode", footprint.encode), ("decode", footprint.decode)):
        base = _base(footprint, name, away)
        fitting = [choice for choice in stage.choices if base + choice.surge <= budget]
        if not fitting:
            return
        ends[name] = (fitting[0], Held(base, fitting[0].surge), stage.choices[0].operations)
    seconds = _fetched_bytes(footprint, away) / machine.link
    seconds += sum(choice.operations - whole for choice, _, whole in ends.values()) * machine.launch
    stages = {name: held for name, (_, held, _) in ends.items()}
    first = MemoryPlan(
        budget,
        stages,
        _needs_of(footprint, away),
        encode=ends["encode"][0],
        decode=ends["decode"][0],
        features=footprint.features,
        seconds=seconds,
        storage=footprint.storage,
    )
    base = _base(footprint, "denoise", away)
    for limit, active, operations in denoisings:
        yield _Way(first, limit, base, active, budget - base - active, seconds + operations * machine.launch)


def _fastest(footprint: Footprint, machine: Machine, ways: Sequence[_Way], shares: Shares) -> MemoryPlan:
    """The plan of least time; of equals, the first. What is bound to be slower than what was found is not tried."""
    found: dict[int, tuple[float, int, Kept]] = {}
    while True:
        moved = shares.moved_at_least([way.room for way in ways])
        bounds = [way.seconds + stall(least, footprint, machine) for way, least in zip(ways, moved, strict=True)]
        seconds, i = min((bounds[i], i) for i in range(len(ways)) if i not in found)
        if found and seconds > min(found.values())[0]:
            break
        kept = shares.within(ways[i].room)
        assert kept is not None
        found[i] = ways[i].seconds + stall(kept.moved.bytes, footprint, machine), i, kept
        if len(found) == len(ways):
            break
    seconds, i, kept = min(found.values())
    way = ways[i]
    return replace(
        way.first,
        stages={
            "encode": way.first.stages["encode"],
            "denoise": Held(way.base, way.active, kept.peak),
            "decode": way.first.stages["decode"],
        },
        cuts={name: print.cuts(way.limit) for name, print in footprint.denoise.items()},
        capacity=kept.share,
        moved=kept.moved.bytes,
        seconds=seconds,
    )


def stall(moved: int, footprint: Footprint, machine: Machine) -> float:
    """Return seconds for which moves hold up computing: what of them does not fit beside it."""
    return max(moved / machine.link - footprint.work * machine.flop, 0.0)
