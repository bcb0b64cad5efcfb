"""A branch under a gate: its rows are made as decisions are taken, and stored values live until they are superseded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...memory import FeatureStore
from ...model.outputs import list_tensors, unpack
from ...schedule import COMPUTE, Schedule
from ...schedule.liveness import Lifetimes
from ..attach.call_scope import Op
from ..ops.branch import Branch
from ..ops.branch_layout import BranchLayout
from ..ops.governed_part import part_of
from ..ops.streams import arguments
from ..ops.table import Watched
from ..program.forecast import weights
from ..program.plan import Plan, Recall, Row
from .gate_state import GateState

MAIN = "hidden_states"
"""Name of the main stream among a block's arguments; where there is none of that name, the first stream is meant."""


class GateBranch(Branch):
    """The branch of a governed denoiser.

    The first branch of a step decides, as its first governed module is called; the step's other branches follow, but
    for those that have nothing stored and compute.

    Args:
        governor: takes the decisions.
        layout: the denoiser's components, and their modules.
        plan: a plan that touches the governed part, without rows.
        store: the generation's store.
        key: what distinguishes this branch's features in the store.
        signature: shape of the denoiser's input.
        number: number of the pass.
        decides: whether this is the first branch.
    """

    def __init__(
        self,
        governor: GateState,
        layout: BranchLayout,
        plan: Plan,
        store: FeatureStore,
        key: object,
        signature: object,
        number: int,
        *,
        decides: bool,
    ) -> None:
        super().__init__(layout, plan, store, key, signature, number)
        self.governor = governor
        self.decides = decides
        self.column = plan.schedule.tree.index[governor.governed.part]
        self.part = part_of(layout.denoiser, governor.governed)
        if decides:
            governor.begin_branch(key)
        self.stored: tuple[int, ...] = ()
        """Rows whose values are stored, latest first."""

    def begin(self, step: int) -> dict[int, Op]:
        """Return the table of a denoiser call at a step; if it is to be decided first, one that asks."""
        if step >= self.governor.steps:
            return super().begin(step)
        if self.decides:
            self.called(step)
            self.recalls = {}
            return self._asking()
        self._add_row(step - self.plan.start, self.governor.decisions.get(step, True))
        return super().begin(step)

    def recompute_all(self) -> None:
        """Have the call compute everything, whatever was decided."""
        super().recompute_all()
        self.governor.decisions[self.step] = True

    def finish(self) -> None:
        """End the call; if the governed part was not called, nothing of it was computed for later."""
        if self.decides and len(self.plan.rows) <= self.row < self.governor.steps - self.plan.start:
            self.decide(None)
        super().finish()
        if self.decides and self.step >= self.governor.steps - 1:
            self.governor.signal.end()

    def drop(self, step: int) -> None:
        """Forget everything before `step`, and what was compared."""
        super().drop(step)
        if self.governor.decider == self.key:
            self.governor.signal.end()

    def decide(self, inputs: dict[str, Any] | None) -> Row:
        """Decide what happens at this step, as the first governed module is called with these inputs."""
        must = (
            self.column in self.observed
            or not self.stored
            or not all(self.store.intact((self.key, self.column, born)) for born in self.stored)
        )
        stream = main(inputs) if inputs is not None else None
        computes = self.governor.decide(self.plan.start + self.row, stream, must=must)
        row = self._add_row(self.row, computes)
        self.enter(row)
        return row

    def _add_row(self, row: int, computes: bool) -> Row:
        """What a decision means for this branch. What no forecast needs is freed before its successor is made."""
        order, last = self.governor.forecasts, self.plan.start + row == self.governor.steps - 1
        ran = np.ones(len(self.layout.components), dtype=np.int64)
        if computes or not self.stored:
            for value in self.stored if last else self.stored[order:]:
                self.store.free((self.key, self.column, value))
            self.stored = (row, *self.stored[:order])
            new = Row(frozenset() if last else frozenset({self.column}), {}, frozenset(), ran)
        else:
            born = self.stored
            by = weights([b - row for b in born], 0, 1.0)
            ran[self.layout.inside(self.column)] = 0
            new = Row(frozenset(), {self.column: Recall(born, by, born if last else ())}, frozenset(), ran)
        self.plan = replace(self.plan, rows=(*self.plan.rows, new))
        return new

    def _asking(self) -> dict[int, Op]:
        """The table of a call that decides."""
        self.governor.signal.begin()
        asking = Asking(self)
        part = self.part
        ops: dict[int, Op] = {id(module): asking for module in (*part.governed, *part.exits)}
        ops[id(part.entry)] = Watched(ops.get(id(part.entry)), [Entering(self.governor)])
        if part.layer is not None:
            ops[id(part.layer)] = Watched(ops.get(id(part.layer)), [Layer(self.governor)])
        return ops

    def lifetimes(self) -> Lifetimes:
        """Return what replaying the branch's decisions will store and when."""
        if not self.plan.rows:
            return super().lifetimes()
        orders = np.full((len(self.plan.rows), len(self.layout.components)), COMPUTE.order, dtype=np.int8)
        for i, row in enumerate(self.plan.rows):
            orders[i, list(row.recalls)] = self.governor.forecasts
        schedule = Schedule.repaired(self.plan.schedule.tree, orders)
        return super().lifetimes()._replace(schedule=schedule)


class Asking:
    """The operation of governed modules in the call that decides: the first of them to be called asks."""

    def __init__(self, branch: GateBranch) -> None:
        self.branch = branch
        self.ops: dict[int, Op] | None = None
        self.left = len(branch.part.governed)
        self.computes = False
        known = branch.exits.get(branch.column)
        self.exits = {id(module) for module in branch.part.exits} if known is None else {known}
        """Ids of the modules that the governed part of a U-Net may be left by; the one, as soon as it was seen."""

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        branch = self.branch
        if self.ops is None:
            row = branch.decide(arguments(module, args, kwargs))
            self.computes = not row.recalls
            self.ops = branch.operations(row)
        op = self.ops.get(id(module))
        output = original(module, *args, **kwargs) if op is None else op(original, module, args, kwargs)
        self.left -= 1
        if self.computes and (id(module) in self.exits if self.exits else self.left == 0):
            self._show_output(module, output)
        return output

    def _show_output(self, module: Any, output: Any) -> None:
        """The part was computed: the gate may want to see what leaves it."""
        stream = next(iter(list_tensors(output)), None) if self.exits else self._main_of(module, output)
        if isinstance(stream, torch.Tensor):
            self.branch.governor.signal.left(stream)
            self.branch.governor.note_bytes()

    def _main_of(self, module: Any, output: Any) -> Any:
        """The main stream in the output of a block."""
        branch = self.branch
        flow = branch.flows.get(
            next(b for b in branch.layout.covered(branch.column) if branch.layout.module(b) is module)
        )
        streams = dict(flow.streams) if flow else {}
        leaf = streams.get(MAIN, next(iter(streams.values()), None))
        return unpack(output)[0][leaf] if leaf is not None else next(iter(list_tensors(output)), None)


class Entering:
    """Shows the gate the main stream as it enters the first block."""

    def __init__(self, governor: GateState) -> None:
        self.governor = governor

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Note that the block is called."""
        stream = main(arguments(module, args, kwargs))
        if stream is not None:
            self.governor.signal.entered(stream)

    def after(self, module: Any, output: Any) -> None:
        """Pass over the end of the call, where nothing is to be seen."""


class Layer(Entering):
    """Shows the gate what the first layer of the first block is given."""

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Note that the layer is called."""
        given = main(arguments(module, args, kwargs))
        if given is not None:
            self.governor.signal.modulated(given)


def main(inputs: dict[str, Any]) -> torch.Tensor | None:
    """Return the main stream among the arguments of a block or layer."""
    named = inputs.get(MAIN)
    found = [named, *inputs.values()]
    return next((t for t in found if isinstance(t, torch.Tensor) and t.is_floating_point() and t.ndim > 1), None)
