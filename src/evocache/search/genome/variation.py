"""Mutation and crossover of schedules that respect their structure. Pure, driven by a given generator.

An operator changes a grid in places that belong together (a step of a container, a kind of leaves over a range of
blocks and steps) and returns the nearest schedule. Random single bits do not make good schedules: at equal cost they
are all worse than plain recipes, because they break what steps and kinds share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ...schedule import COMPUTE, MAX_ORDER, REUSE, Schedule
from .search_space import Columns, Space
from .step_counts import condense

Rng = np.random.Generator


class Draft:
    """A grid that is being changed: a schedule's arrays, writable."""

    def __init__(self, schedule: Schedule) -> None:
        self.become(schedule)

    def become(self, schedule: Schedule) -> None:
        """Go on from another schedule, which may have another number of steps."""
        assert schedule.gains is not None
        self.base = schedule
        self.orders = schedule.orders.copy()
        self.gains = schedule.gains.copy()

    @property
    def steps(self) -> int:
        """Number of its steps, which need not be the space's."""
        return len(self.orders)

    def schedule(self) -> Schedule:
        """Return the nearest schedule to the grid; where it comes from is not kept."""
        return Schedule.repaired(self.base.tree, self.orders, self.gains, model=self.base.model)

    def computed(self, group: Columns) -> npt.NDArray[np.intp]:
        """Return the steps after the first at which every component of a group that is looked at computes."""
        seen = self.base.executed[:, group] | self.base.read[:, group]
        steps = np.flatnonzero(seen.any(axis=1) & ~self.base.read[:, group].any(axis=1))
        return steps[steps > 0]

    def skipped(self, group: Columns) -> npt.NDArray[np.intp]:
        """Return the steps at which some component of a group is reused or forecast."""
        return np.flatnonzero(self.base.read[:, group].any(axis=1))

    def compute(self, step: int, group: Columns) -> None:
        """Let a group compute at a step."""
        self.orders[step, group] = COMPUTE.order
        self.gains[step, group] = 0.0

    def skip(self, step: int, group: Columns, rng: Rng) -> None:
        """Let a group be skipped at a step, as it is at the nearest skipped step, or with a new action."""
        others = self.skipped(group)
        others = others[others != step]
        if len(others) and rng.random() < 0.8:
            like = others[int(np.argmin(np.abs(others - step)))]
            read = self.base.read[like, group]
            first = group[int(np.argmax(read))]
            order, gain = int(self.orders[like, first]), float(self.gains[like, first])
        else:
            order, gain = new_action(rng)
        self.orders[step, group] = max(order, REUSE.order)
        self.gains[step, group] = gain


def new_action(rng: Rng) -> tuple[int, float]:
    """Return a random action that skips: reuse, or a forecast, mostly of first order."""
    if rng.random() < 0.4:
        return REUSE.order, 0.0
    order = 1 if rng.random() < 0.75 else int(rng.integers(2, MAX_ORDER + 1))
    return order, float(rng.uniform(0.1, 1.2))


def move(draft: Draft, space: Space, rng: Rng) -> None:
    """Move a computed step of a group to a neighbouring step."""
    group = space.pick_group(rng)
    steps = draft.computed(group)
    if not len(steps):
        return
    step = int(rng.choice(steps))
    target = step + int(rng.choice([-2, -1, 1, 2]))
    if 0 < target < draft.steps:
        draft.skip(step, group, rng)
        draft.compute(target, group)


def add(draft: Draft, space: Space, rng: Rng) -> None:
    """Compute a group at one more step."""
    group = space.pick_group(rng)
    steps = draft.skipped(group)
    if len(steps):
        draft.compute(int(rng.choice(steps)), group)


def drop(draft: Draft, space: Space, rng: Rng) -> None:
    """Compute a group at one step less."""
    group = space.pick_group(rng)
    steps = draft.computed(group)
    if len(steps):
        draft.skip(int(rng.choice(steps)), group, rng)


def paint(draft: Draft, space: Space, rng: Rng) -> None:
    """Let a group of leaves do one thing over a range of steps."""
    group = space.pick_group(rng, outer=0.0)
    first = int(rng.integers(1, draft.steps))
    last = min(draft.steps, first + 1 + int(rng.geometric(0.3)))
    if rng.random() < 0.4:
        for step in range(first, last):
            draft.compute(step, group)
        return
    order, gain = new_action(rng)
    draft.orders[first:last, group] = order
    draft.gains[first:last, group] = gain


def refine(draft: Draft, space: Space, rng: Rng) -> None:
    """Let a container run at a step where it is skipped, with some kinds of its leaves skipped instead."""
    if not space.outer or not len(space.leaves):
        return
    group = space.outer[int(rng.integers(len(space.outer)))]
    steps = draft.skipped(group)
    if not len(steps):
        return
    step = int(rng.choice(steps))
    draft.compute(step, group)
    for columns in space.kinds.values():
        if rng.random() < 0.6:
            order, gain = new_action(rng)
            draft.orders[step, columns] = order
            draft.gains[step, columns] = gain


def coarsen(draft: Draft, space: Space, rng: Rng) -> None:
    """Skip a container at a step where most of its leaves are skipped."""
    if not space.outer or not len(space.leaves):
        return
    mostly = np.flatnonzero(draft.base.read[:, space.leaves].mean(axis=1) > 0.5)
    if len(mostly):
        group = space.outer[int(rng.integers(len(space.outer)))]
        draft.skip(int(rng.choice(mostly)), group, rng)


def reorder(draft: Draft, space: Space, rng: Rng) -> None:
    """Change the order of a group's forecasts at one step or all."""
    group = space.pick_group(rng)
    steps = draft.skipped(group)
    if not len(steps):
        return
    chosen = steps if rng.random() < 0.4 else np.array([rng.choice(steps)])
    cells = np.ix_(chosen, group)
    orders = np.clip(draft.orders[cells] + int(rng.choice([-1, 1])), REUSE.order, MAX_ORDER)
    skipped = draft.orders[cells] >= 0
    draft.orders[cells] = np.where(skipped, orders, draft.orders[cells]).astype(np.int8)
    draft.gains[cells] = np.where(skipped & (draft.gains[cells] == 0), 0.5, draft.gains[cells])


def regain(draft: Draft, space: Space, rng: Rng) -> None:
    """Perturb the gains of a group's forecasts: at one step, as a smooth bump over steps, or all alike."""
    group = space.pick_group(rng, outer=0.8)
    steps = draft.skipped(group)
    if not len(steps):
        return
    places = np.arange(draft.steps)
    how = rng.random()
    centre = float(rng.choice(steps))
    width = 0.3 if how < 0.4 else float(rng.uniform(1, max(1.0, draft.steps / 3))) if how < 0.8 else 1e9
    bump = rng.normal(0, 0.3) * np.exp(-0.5 * ((places - centre) / width) ** 2)
    cells = np.ix_(steps, group)
    skipped = draft.base.read[cells]
    gains = np.clip(draft.gains[cells] + bump[steps, None], -0.5, 2.0)
    draft.gains[cells] = np.where(skipped, gains, draft.gains[cells])
    draft.orders[cells] = np.where(skipped & (draft.orders[cells] == 0), 1, draft.orders[cells]).astype(np.int8)


def retime(draft: Draft, space: Space, rng: Rng) -> None:
    """Give the schedule another number of steps: a neighbouring one as a rule, else any that the space allows.

    Either the share of steps that are computed stays, or their number.
    """
    if space.least is None:
        return
    near = draft.steps + int(rng.choice([-2, -1, 1, 2]))
    anywhere = int(rng.integers(space.least, space.steps + 1))
    steps = min(space.steps, max(space.least, near if rng.random() < 0.7 else anywhere))
    schedule = draft.schedule()
    draft.become(schedule.resampled(steps) if rng.random() < 0.5 else condense(schedule, steps))


Operator = Callable[[Draft, Space, Rng], None]

Operators = Sequence[tuple[Operator, float]]

OPERATORS: Operators = (
    (move, 3.0),
    (add, 1.5),
    (drop, 1.5),
    (paint, 1.0),
    (refine, 1.0),
    (coarsen, 1.0),
    (reorder, 1.0),
    (regain, 4.0),
)
"""Mutations and how often each is chosen, relative to the others."""

RETIME = (retime, 2.0)
"""The mutation that is one of them, and structural, where the space has several numbers of steps."""


STRUCTURAL = tuple((operator, weight) for operator, weight in OPERATORS if operator not in (reorder, regain))
"""The mutations that change what is computed, not how it is forecast."""


TRIES = 100
"""Most mutations that are tried for one that changes something: most leave alone what is all computed."""


def mutate(schedule: Schedule, space: Space, rng: Rng, operators: Operators = OPERATORS) -> Schedule:
    """Return a neighbour of a schedule: one mutation, sometimes several; what changes nothing is tried again."""
    operators = (*operators, RETIME) if space.varies else operators
    weights = np.array([weight for _, weight in operators])
    for _ in range(TRIES):
        draft = Draft(schedule)
        for _ in range(int(rng.geometric(0.65))):
            operator = operators[int(rng.choice(len(operators), p=weights / weights.sum()))][0]
            operator(draft, space, rng)
        child = draft.schedule()
        if child != schedule:
            return child
    return schedule


def cross(mother: Schedule, father: Schedule, space: Space, rng: Rng) -> Schedule:
    """Return a child that takes a range of steps, a group of components, or the mean of the gains from its father.

    It has as many steps as its mother; its father is resampled to them.
    """
    draft, father = Draft(mother), father.resampled(mother.steps)
    assert father.gains is not None
    how = rng.random()
    if how < 0.5:
        first, last = np.sort(rng.choice(draft.steps + 1, 2, replace=False))
        draft.orders[first:last], draft.gains[first:last] = father.orders[first:last], father.gains[first:last]
    elif how < 0.8:
        group = space.pick_group(rng, outer=0.3)
        draft.orders[:, group], draft.gains[:, group] = father.orders[:, group], father.gains[:, group]
    else:
        both = (draft.orders > 0) & (father.orders > 0)
        share = rng.random()
        draft.gains[both] = share * draft.gains[both] + (1 - share) * father.gains[both]
    return draft.schedule()
