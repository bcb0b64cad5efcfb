"""What a generation holds, call by call and unit by unit, whole and in slices: what a plan chooses from. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..slicing.slicing import Slicing
from ..swapping.lifetimes import Bytes, Indices, Life, Lives


@dataclass(frozen=True)
class Cut:
    """A module that is run in slices."""

    slicing: Slicing
    slices: int


@dataclass(frozen=True)
class Choice:
    """A way of running a unit.

    Attributes:
        cuts: what is run in slices, by path in the denoiser: the unit, or parts of it; empty for the unit as it is.
        surge: bytes that its call holds at most beyond what was held before.
        operations: number of operations that it takes; each costs a launch.
    """

    cuts: Mapping[str, Cut]
    surge: int
    operations: int


@dataclass(frozen=True)
class UnitPrint:
    """One call of a unit.

    Attributes:
        path: the module's path in the denoiser.
        entry: bytes held when it is called, cached features and weights not included.
        choices: ways of running it; the first is the unit as it is; each later one holds less and takes more
            operations.
    """

    path: str
    entry: int
    choices: tuple[Choice, ...]

    def within(self, limit: int) -> Choice:
        """Return the choice with the fewest operations that stays within a limit of bytes.

        If none does, the smallest.
        """
        fitting = [choice for choice in self.choices if self.entry + choice.surge <= limit]
        return fitting[0] if fitting else self.choices[-1]


@dataclass(frozen=True)
class CallPrint:
    """One call of a denoiser.

    Attributes:
        floor: most bytes held while no unit runs.
        units: calls of units, in order.
    """

    floor: int
    units: tuple[UnitPrint, ...]

    def above(self, held: int) -> CallPrint:
        """Return the same call where so many bytes more are held all along."""
        return CallPrint(self.floor + held, tuple(replace(unit, entry=unit.entry + held) for unit in self.units))

    def at_least(self, floor: int) -> CallPrint:
        """Return the same call where at least so many bytes are held while no unit runs."""
        return replace(self, floor=max(self.floor, floor))

    def sparing(self, paths: Collection[str], leaves: Collection[str] = ()) -> CallPrint:
        """Return the same call where some modules are not cut.

        Args:
            paths: nothing is cut that contains one of the modules at these paths.
            leaves: nothing that contains one of these is cut into slices that wait for one another.
        """
        if not paths and not leaves:
            return self

        def spares(choice: Choice) -> bool:
            return not any(
                module.startswith(f"{path}.")
                for path, cut in choice.cuts.items()
                for module in (*paths, *(leaves if cut.slicing.coupled else ()))
            )

        return replace(self, units=tuple(replace(u, choices=tuple(filter(spares, u.choices))) for u in self.units))

    def peak(self, limit: int | None = None) -> int:
        """Return most bytes held, with every unit run as it is, or within a limit as far as that can be."""
        found = [u.entry + (u.choices[0] if limit is None else u.within(limit)).surge for u in self.units]
        return max([self.floor, *found])

    def limits(self) -> list[int]:
        """Return the limits at which something changes, from the least that can be met up to what is held as it is."""
        least = self.peak(0)
        tops = {u.entry + choice.surge for u in self.units for choice in u.choices}
        return sorted({least, *(top for top in tops if top > least), self.peak()})

    def along(self, limits: Sequence[int]) -> tuple[Bytes, Indices]:
        """Return, within each of many limits, the most bytes held, and operations beyond those of the call as it is."""
        most = np.array(limits, dtype=np.int64)
        peaks, operations = np.full(len(most), self.floor), np.zeros(len(most), dtype=np.intp)
        for unit in self.units:
            tops = np.array([unit.entry + choice.surge for choice in unit.choices])
            counts = np.array([choice.operations for choice in unit.choices])
            chosen = np.minimum((tops[:, None] > most).sum(axis=0), len(tops) - 1)  # each holds less than those before
            peaks = np.maximum(peaks, tops[chosen])
            operations += counts[chosen] - counts[0]
        return peaks, operations

    def cuts(self, limit: int) -> dict[str, Cut]:
        """Return what is run in slices to stay within a limit."""
        return {path: cut for unit in self.units for path, cut in unit.within(limit).cuts.items()}


class BranchFootprint(NamedTuple):
    """A branch of a denoiser: the features that it stores.

    Attributes:
        lives: when each is used; events are the branch's own.
        steps: the step of each event, counted from the branch's first.
    """

    lives: Lives | Sequence[Life]
    steps: Sequence[int] = ()


@dataclass(frozen=True)
class Stage:
    """A stage of a generation besides denoising: encode or decode.

    Attributes:
        weights: names of the pipeline's components that are on the device then, if those that can leave it do.
        choices: ways of running it; the first is as it is.
    """

    weights: tuple[str, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Footprint:
    """What a generation holds.

    Attributes:
        weights: bytes of each component of the pipeline.
        held: bytes that are held all along: latents, embeddings, what the user has on the device.
        encode: the stage before denoising.
        denoise: calls of each denoiser, by name.
        decode: the stage after it.
        calls: how many denoiser calls there are.
        work: floating-point operations of all of them together, as far as they are computed.
        branches: for each branch of a denoiser, the features that it stores and when they are used.
        features: bytes of one stored value of each component of each denoiser, in order of execution.
        storage: the coding that features are stored in, which `branches` and `features` count with.
        beside: bytes that storing features holds at most beside them and the activations; calls count them already.
        offloaded: whether components are on the device only in the stages that need them, whatever is planned.
        denoising: names of the components that are on the device while denoising, if those that can leave it do; the
            denoisers when not given.
        offloadable: names of the components that can leave the device; all when not given.
    """

    weights: Mapping[str, int]
    held: int
    encode: Stage
    denoise: Mapping[str, CallPrint]
    decode: Stage
    calls: int
    work: float = 0.0
    branches: tuple[BranchFootprint, ...] = ()
    features: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    storage: str = "none"
    beside: int = 0
    offloaded: bool = False
    denoising: tuple[str, ...] = ()
    offloadable: tuple[str, ...] | None = None

    def ways(self, offload: bool) -> tuple[tuple[str, ...], ...]:
        """Return what may leave the device: nothing; what no stage needs; all that can."""
        if self.offloaded:
            return (tuple(self.weights),)
        if not offload:
            return ((),)
        able = tuple(name for name in self.weights if self.offloadable is None or name in self.offloadable)
        return tuple(dict.fromkeys(((), tuple(name for name in able if not self.needing(name)), able)))

    @property
    def present(self) -> dict[str, tuple[str, ...]]:
        """Names of the components that a stage needs on the device."""
        denoising = self.denoising or tuple(self.denoise)
        return {"encode": self.encode.weights, "denoise": denoising, "decode": self.decode.weights}

    def needing(self, name: str) -> tuple[str, ...]:
        """Return the stages that need a component."""
        return tuple(stage for stage, there in self.present.items() if name in there)
