"""The schedule: an immutable grid, steps x components, of actions. Pure; the runtime compiles it to tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ScheduleError
from .action import COMPUTE, Action
from .branches import keep_first_branch, keep_other_branches
from .canonical import canonicalise, check_grid
from .component import Component, Tree
from .resample import resample
from .retarget import transfer
from .size_limits import check_size

Orders = npt.NDArray[np.int8]
Gains = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Provenance:
    """How a schedule came to be.

    Attributes:
        origin: the policy spec, run or file that made it.
        objectives: measured objectives, name to value, as they were measured there.
        notes: anything else worth keeping, as text.
    """

    origin: str = ""
    objectives: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", dict(self.objectives))
        object.__setattr__(self, "notes", dict(self.notes))


@dataclass(frozen=True, eq=False)
class Schedule:
    """The grid steps x components of actions, in canonical form, with what it was made for.

    Canonical form gives every behaviour exactly one grid, so that equality and hash speak of behaviour:

    - a cell under an ancestor that does not compute is `reuse` (it is never looked at), and so is dead code;
    - a forecast with gain 0, or of a component with only one computed value so far, is `reuse`;
    - a forecast asks for no more values than have been computed.

    Args:
        tree: the components.
        orders: (steps, components) int8: -1 compute, 0 reuse, 1.. the order of a forecast.
        gains: (steps, components) float64: gains of the forecasts, ignored elsewhere; all 1 when not given.
        model: class of each denoiser by its name, `{"transformer": "PixArtTransformer2DModel"}`; empty if unknown.
        provenance: how it came to be; not part of its identity.

    Raises:
        ScheduleError: if the shapes or values are no schedule's, or something is reused before it was computed.

    >>> schedule = parse("fora:2").schedule(evocache.discover(pipe).tree, 4)
    >>> schedule
    <Schedule 'fora:2': 4 steps, 34 components, 50% executed>
    """

    tree: Tree
    orders: Orders
    gains: Gains | None = None
    model: Mapping[str, str] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    executed: Mask = field(init=False, repr=False)
    read: Mask = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._settle(repair=False)

    def _settle(self, *, repair: bool) -> None:
        orders, gains = check_grid(self.tree, self.orders, self.gains)
        grid = canonicalise(self.tree, orders, gains, repair=repair)
        self.__setstate__({**grid._asdict(), "model": dict(self.model)})

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take over attributes. Copies and pickles come this way too: what was canonical is not made so again."""
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False  # which numpy forgets when it pickles
            object.__setattr__(self, name, value)

    @classmethod
    def repaired(cls, tree: Tree, orders: Any, gains: Any = None, **rest: Any) -> Schedule:
        """Return the nearest schedule to a grid: whatever would be reused before it was computed is computed instead.

        Raises:
            ScheduleError: if the shapes or values are no schedule's.
        """
        schedule = object.__new__(cls)
        values = {"model": {}, "provenance": Provenance(), **rest, "tree": tree, "orders": orders, "gains": gains}
        for name, value in values.items():
            object.__setattr__(schedule, name, value)
        schedule._settle(repair=True)
        return schedule

    @classmethod
    def full(cls, tree: Tree, steps: int, **rest: Any) -> Schedule:
        """Make the schedule that computes everything.

        Raises:
            ScheduleError: if the number of steps is none, or would make more cells than a schedule may have.

        >>> Schedule.full(evocache.discover(pipe).tree, 4).is_full
        True
        """
        check_size(tree, steps)
        return cls(tree, np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8), **rest)

    @property
    def steps(self) -> int:
        """Number of denoising steps."""
        return int(self.orders.shape[0])

    @property
    def components(self) -> tuple[Component, ...]:
        """The components, parents before children."""
        return self.tree.components

    def action(self, step: int, component: str) -> Action:
        """Return what a component does at a step."""
        column = self.tree.index[component]
        assert self.gains is not None
        return Action(int(self.orders[step, column]), float(self.gains[step, column]))

    @property
    def is_full(self) -> bool:
        """Whether everything is computed at every step."""
        return bool(self.executed.all())

    @property
    def reuses_guidance(self) -> bool:
        """Whether calls that guidance adds are made from the first call of a step, so that the calls differ."""
        return bool(self.read[:, list(self.tree.guides)].any())

    def of_branch(self, branch: int) -> Schedule:
        """Return what a denoiser call does: the first of its step (0), or one after it.

        They are the same, but where a guidance component is reused: then nothing of the later ones runs. What they
        would read but have not computed, since they were not run at the time, they compute.
        """
        if not self.tree.guides:
            return self
        assert self.gains is not None
        rest: dict[str, Any] = {"model": self.model, "provenance": self.provenance}
        grid = (self.tree, self.orders, self.gains)
        return Schedule.repaired(
            *(keep_other_branches(*grid, self.read) if branch else keep_first_branch(*grid)), **rest
        )

    def counts(self) -> dict[str, int]:
        """Return the steps at which each component is executed, in the first call of a step where its calls differ."""
        return dict(zip(self.tree.index, (int(n) for n in self.executed.sum(axis=0)), strict=True))

    def cost(self, costs: Mapping[str, float]) -> float:
        """Compute the total cost under exclusive component costs (of a component without its children), per step.

        Components that the mapping does not name cost nothing. Where guidance makes some of a step's calls from the
        first, it is the mean of one of them and the first.
        """
        if self.reuses_guidance:
            return (self.of_branch(0).cost(costs) + self.of_branch(1).cost(costs)) / 2
        vector = np.array([costs.get(c.id, 0.0) for c in self.components])
        return float(self.executed.sum(axis=0) @ vector)

    def executed_fraction(self, costs: Mapping[str, float] | None = None) -> float:
        """Return the share of the cells of leaves that are executed, or of the given exclusive costs (FLOPs, seconds).

        >>> parse("fora:4").schedule(evocache.discover(pipe).tree, 8).executed_fraction()
        0.25
        """
        if costs is None:
            costs = {self.components[i].id: 1.0 for i in self.tree.leaves}
        total = self.steps * sum(costs.get(c.id, 0.0) for c in self.components)
        return self.cost(costs) / total if total else 1.0

    def resampled(self, steps: int) -> Schedule:
        """Make the schedule for another number of steps, with the same share of computed steps, as dense where it was.

        Raises:
            ScheduleError: if the number of steps is not positive, or would make more cells than a schedule may have.

        >>> schedule = parse("fora:2").schedule(evocache.discover(pipe).tree, 4)
        >>> schedule.resampled(20).steps
        20
        """
        if steps == self.steps:
            return self
        check_size(self.tree, steps)
        assert self.gains is not None
        orders, gains = resample(self.tree, self.executed, self.orders, self.gains, steps)
        return Schedule.repaired(self.tree, orders, gains, model=self.model, provenance=self.provenance)

    def starting_at(self, step: int) -> Schedule:
        """Return the schedule of a generation that starts late (image-to-image): rows from `step` on, repaired.

        Raises:
            ScheduleError: if there is no such step.
        """
        if not 0 <= step < self.steps:
            raise ScheduleError(f"start at step {step}", f"a step in 0..{self.steps - 1}", "start within the schedule")
        if step == 0:
            return self
        assert self.gains is not None
        rest = {"model": self.model, "provenance": self.provenance}
        return Schedule.repaired(self.tree, self.orders[step:], self.gains[step:], **rest)

    def of_denoiser(self, name: str) -> Schedule:
        """Return the part of the schedule that concerns one denoiser of several.

        Raises:
            ScheduleError: if there is none of that name.
        """
        columns = [i for i, c in enumerate(self.components) if c.denoiser == name]
        if not columns:
            known = ", ".join(dict.fromkeys(c.denoiser for c in self.components))
            raise ScheduleError(f"denoiser {name!r}", f"one of {known}", "name one that the schedule is made for")
        if len(columns) == len(self.tree):
            return self
        assert self.gains is not None
        tree = Tree(tuple(self.components[i] for i in columns))
        rest: dict[str, Any] = {"model": self.model, "provenance": self.provenance}
        return Schedule(tree, self.orders[:, columns], self.gains[:, columns], **rest)

    def retargeted(self, tree: Tree, *, model: Mapping[str, str] | None = None, depth: bool = False) -> Schedule:
        """Return the schedule for another model: a variant with the same components, under the same names or others.

        What was measured was measured elsewhere: it moves from the objectives to the note `made for`.

        Args:
            tree: the components of the other model.
            model: class of each of its denoisers.
            depth: whether stacks of blocks may be higher or lower: a block then does what is done at the same relative
                height here.

        Raises:
            MismatchError: if the models are not alike.
        """
        moves = transfer(self.tree, tree, depth=depth)
        assert self.gains is not None
        orders, gains = moves.moved(self.executed, self.orders, self.gains)
        notes = dict(self.provenance.notes)
        if self.provenance.objectives or "made for" not in notes:
            notes["made for"] = self._made_for()
        provenance = replace(self.provenance, objectives={}, notes=notes)
        return Schedule.repaired(moves.tree, orders, gains, model=model or {}, provenance=provenance)

    def _made_for(self) -> str:
        """The model and what was measured there, in words."""
        blocks = len(self.tree.of_kind("block"))
        model = ", ".join(f"{name}: {kind}" for name, kind in self.model.items()) or "a model"
        figures = ", ".join(f"{name} {value:g}" for name, value in self.provenance.objectives.items())
        return f"{model}, {blocks} blocks, {self.steps} steps{f'; measured there: {figures}' if figures else ''}"

    def with_provenance(self, origin: str = "", **changes: Any) -> Schedule:
        """Return the same schedule with another provenance."""
        same = copy(self)
        provenance = replace(self.provenance, origin=origin or self.provenance.origin, **changes)
        object.__setattr__(same, "provenance", provenance)
        return same

    @cached_property
    def digest(self) -> str:
        """Stable hash of the behaviour (16 hexadecimal digits), the same on every machine."""
        hasher = hashlib.sha256(f"{self.steps}\n".encode())
        for component in self.components:
            hasher.update(f"{component.id} {component.kind}\n".encode())
        hasher.update(np.ascontiguousarray(self.orders).tobytes())
        hasher.update(np.ascontiguousarray(self.gains, dtype="<f8").tobytes())
        return hasher.hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        share = f"{self.executed_fraction():.0%}"
        origin = f" {self.provenance.origin!r}" if self.provenance.origin else ""
        return f"<Schedule{origin}: {self.steps} steps, {len(self.tree)} components, {share} executed>"
