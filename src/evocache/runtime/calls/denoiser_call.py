"""A call of a denoiser at a step: by itself, or with its half of guidance, under the row of its branch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from ...errors import GenerationError
from ...memory.planner.footprint import Cut
from ...memory.planner.planner import MemoryPlan
from ...model import Denoiser
from ...model.outputs import list_tensors
from ..attach.call_scope import Op
from ..attach.interception import inner
from ..attach.observers import GRADIENTS, Observed, Observers
from ..attach.region import Regions
from ..clock import Clock, Tick
from ..compiled import Compiled
from ..joint.lane import SLICED, hand_over, meeting
from ..joint.work import work_of
from ..ops.branch import Branch
from ..ops.branch_copy import copy_of
from ..ops.latents import Signature, differentiated, latents_of
from ..ops.leaf import Keep, Reuse
from ..ops.recompute import Again, Apart, or_recompute
from ..ops.sliced_call import Sliced
from ..program.plan import Row
from .guidance import Calls, Given, GuidanceReuse, KeepHalves, alike

APART = "it is made anew"
"""Why a call is computed by itself at once: it was begun together with others, or nothing of it is computed."""


class Running(Protocol):
    """The generation that a call is part of.

    Attributes:
        compiled: what is applied to the denoisers.
        clock: tells the steps.
        memory: what is run in slices.
        observed: by denoiser, what of it was observed first.
        since: hooks from this number on were put on modules during the generation.
    """

    compiled: Compiled
    clock: Clock
    memory: MemoryPlan | None
    observed: dict[str, Observed]
    since: int

    def branch_of(self, denoiser: Denoiser, tick: Tick, args: Any, kwargs: Any) -> Branch:
        """Return the branch that serves a call."""

    def uses_guidance(self) -> bool | None:
        """Return what the pipeline says of whether it guides."""

    def warn(self, *messages: str | None) -> None:
        """Warn the user, of each thing once."""


class DenoiserCall:
    """Makes the calls of one denoiser: what happens in the stead of each.

    Args:
        running: the generation.
        denoiser: the denoiser.
        regions: compiled regions in it.
        cuts: what of it is run in slices, by module id.
        guidance: what is known of its guidance.
    """

    def __init__(
        self, running: Running, denoiser: Denoiser, regions: Regions, cuts: Mapping[int, Cut], guidance: GuidanceReuse
    ) -> None:
        self._running = running
        self._denoiser = denoiser
        self._regions = regions
        self._cuts = cuts
        self._guidance = guidance
        self._observers = Observers(denoiser.module, running.since)

    def __call__(self, tick: Tick, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for a call of the denoiser.

        Raises:
            GenerationError: if something of it is observed that the memory plan runs in slices.
        """
        running, name = self._running, self._denoiser.name
        alone = self._is_observed(args, kwargs)
        if not running.compiled.reuses_guidance(name, running.clock.total):
            return self._one(tick, original, module, args, kwargs)

        def one(call_index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return self._one(Tick(tick.step, call_index), original, module, args, kwargs)

        def whole() -> Any:
            return original(module, *args, **kwargs)

        def rest(other: Given, known: Callable[[], Any]) -> Any:
            second = Tick(tick.step, 1)
            branch = running.branch_of(self._denoiser, second, *other)
            inside = branch.plan.touched - {branch.layout.guidance}
            if inside:
                return self._one(second, original, module, *other)
            return self._one(second, lambda *_, **__: known(), module, *other, apart=APART)

        def both(table: Mapping[int, Op] | None) -> Any:
            call = original if table is None else hand_over(original, table, self._apart(None, args, kwargs))
            return call(module, *args, **kwargs)

        calls = Calls(one, partial(self._both, tick.step, both), whole, rest)
        made = running.compiled.makes(name, running.clock.total, tick.step)
        says = False if alone else running.uses_guidance()
        return self._guidance.run(tick, args, kwargs, calls, made=made, says=says)

    def _one(
        self, tick: Tick, original: Callable[..., Any], module: Any, args: Any, kwargs: Any, *, apart: str = ""
    ) -> Any:
        """A call by itself: of one branch, wherever it is computed."""
        branch = self._running.branch_of(self._denoiser, tick, args, kwargs)
        branch.observe(self._observers.found, self._observers.version, whole=differentiated(args, kwargs))
        if meeting.get() is not None:
            apart = apart or self._apart(branch, args, kwargs)
        while meeting.get() is not None and not apart:
            before = copy_of(branch)
            if before is None:
                apart = "its features are parked"
                break
            try:
                return self._under_row(branch, tick.step, original, module, args, kwargs)
            except Apart as error:
                again = isinstance(error, Again)
            before.restore()  # when what was computed is let go
            apart = "" if again else APART
        return self._under_row(branch, tick.step, original, module, args, kwargs, apart)

    def _under_row(
        self,
        branch: Branch,
        step: int,
        original: Callable[..., Any],
        module: Any,
        args: Any,
        kwargs: Any,
        apart: str = "",
    ) -> Any:
        """A call under the row of its branch."""
        before = inner.table

        def arrange(table: Mapping[int, Op], whole: bool) -> Callable[..., Any]:
            inner.table = self._sliced(table)
            return self._regions.computed(original, whole=whole)

        def recomputed() -> Any:
            return arrange({}, True)(module, *args, **kwargs)

        try:
            table = branch.begin(step)
            run = arrange(table, branch.at_once)
            if apart is not APART and meeting.get() is not None:
                regions = self._regions if self._regions.any else None
                rows = branch.signature.rows if isinstance(branch.signature, Signature) else 0
                run = hand_over(run, table, apart, work=work_of(branch, step), regions=regions, rows=rows)
            row = branch.plan.row(step)
            compute = partial(
                or_recompute,
                branch,
                partial(called, branch, row, run, module, args, kwargs),
                recomputed,
                self._running.warn,
            )
            if row is None or branch.layout.guidance is None:
                output = compute()
            else:
                output = self._guidance.other(branch, row, latents_of(args, kwargs), compute)
            if branch.calls == 1:
                branch.predicted = frozenset(tuple(tensor.shape) for tensor in list_tensors(output))
            return output
        finally:
            inner.table = before
            branch.finish()

    def _both(
        self,
        step: int,
        compute: Callable[[Mapping[int, Op] | None], Any],
        first: Given,
        other: Given,
        shape: tuple[int, ...],
    ) -> tuple[Branch, Row, Any] | None:
        """A call of a doubled batch whose halves do the same: the other half's branch and row, and what both give.

        None if they do not, or if compiled regions are in the way.
        """
        halves = enumerate((first, other))
        branches = [self._running.branch_of(self._denoiser, Tick(step, half), *given) for half, given in halves]
        if self._regions.any or not alike(branches[0], branches[1], step):
            return None
        before = inner.table
        kept = [{id_: op for id_, op in branch.begin(step).items() if isinstance(op, Keep)} for branch in branches]
        table = {id_: KeepHalves(shape, (kept[0].get(id_), kept[1].get(id_))) for id_ in {**kept[0], **kept[1]}}
        inner.table = self._sliced(table)
        try:
            output = self._computed_at_last(compute, table, branches)
        finally:
            inner.table = before
            for branch in branches:
                branch.finish()
        row = branches[1].plan.row(step)
        assert row is not None
        return branches[1], row, output

    @staticmethod
    def _computed_at_last(
        compute: Callable[[Mapping[int, Op] | None], Any], table: Mapping[int, Op], branches: Sequence[Branch]
    ) -> Any:
        """What a doubled batch gives; made anew as often as it was begun with others in vain."""
        given: Mapping[int, Op] | None = table
        while True:
            try:
                return compute(given)
            except Apart as error:
                given = table if isinstance(error, Again) else None
            for branch in branches:  # all that was stored of it is stored anew
                branch.calls += 1

    def _apart(self, branch: Branch | None, args: Any, kwargs: Any) -> str:
        """Why a call is computed by itself; empty if it may be computed with those of other generations."""
        if self._cuts:
            return SLICED
        if self._running.compiled.gate is not None:
            return "a gate decides in it"
        return "it is observed" if (branch and branch.observed) or differentiated(args, kwargs) else ""

    def _sliced(self, table: Mapping[int, Op]) -> Mapping[int, Op]:
        """A table with what is run in slices."""
        if not self._cuts:
            return table
        sliced = {id_: Sliced(cut.slicing, cut.slices, table.get(id_)) for id_, cut in self._cuts.items()}
        return {**table, **sliced}

    def _is_observed(self, args: Any, kwargs: Any) -> bool:
        """Look for what is observed in the coming call; note the first of it.

        Raises:
            GenerationError: if it is run in slices, each of which would show a part of it.
        """
        running, name, observers = self._running, self._denoiser.name, self._observers
        if not observers.look(kwargs):
            if not differentiated(args, kwargs):
                return False
            running.observed.setdefault(name, GRADIENTS)
            return True
        running.observed.setdefault(name, next(iter(observers.found.values())))
        seen = observers.within(running.memory.cuts.get(name, {})) if running.memory else None
        if seen is not None:
            raise GenerationError(
                f"a module that is observed {seen.how}, {name}.{seen.path}, in a part that the memory budget has "
                "run in slices",
                "observed modules that run as a whole",
                "raise the budget until no part with it runs in slices, or generate without memory=",
            )
        return True


def called(branch: Branch, row: Row | None, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
    """Return the denoiser itself: its output may be recalled or stored, always as a copy (pipelines write into it)."""
    root = branch.layout.root
    if row is None:
        return original(module, *args, **kwargs)
    if root in row.recalls and root in branch.observed:
        branch.computed_after_all(root)
        return original(module, *args, **kwargs)
    if root in row.recalls:
        branch.copies.add(root)
        return Reuse(branch, root)(original, module, args, kwargs)
    if root in branch.kept(row):
        branch.copies.add(root)
        return Keep(branch, root)(original, module, args, kwargs)
    return original(module, *args, **kwargs)
