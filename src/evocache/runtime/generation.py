"""One generation: from the pipeline's call to its return. Everything that it attaches or stores ends with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from ..errors import GenerationError
from ..memory import FeatureStore, Tape
from ..memory.planner.footprint import Cut
from ..memory.planner.planner import MemoryPlan
from ..memory.tiers.tier import Tier
from ..model import Denoiser
from ..model.outputs import tensors
from ..model.pipeline_components import components_of
from ..schedule import Schedule
from ..video.decode.frame_groups import run_cut
from .attach.call_scope import Op, Scope
from .attach.interception import Way, attach, detach, entering, inner, intercepting
from .attach.observers import GRADIENTS, Observed, Observers
from .attach.region import Regions
from .attach.scheduler_listener import coding, hearing, is_scheduler, listen
from .clock import Clock, Tick
from .compiled import Compiled
from .gates.gate_branch import GateBranch
from .gates.gate_state import GateStates
from .generation_record import Record
from .ops.branch import Branch
from .ops.branch_choice import Branches
from .ops.guidance import Calls, Given, GuidanceReuse, KeepHalves, alike, uses_guidance
from .ops.latents import Signature, differentiated, latents_of
from .ops.leaf import Keep, Reuse
from .ops.recompute import or_recompute
from .ops.sliced_call import Sliced
from .ops.streams import argument
from .program.plan import Plan, Row
from .schedule_effect import past_the_end, without_effect
from .stats import Stats
from .survey.film_output import FilmOutput
from .user_warnings import warn

TimedOp = Callable[..., Any]
"""What happens instead of a denoiser's call at a time: `op(tick, original, module, args, kwargs)`."""


TURN = "_evocache_turn"
"""Attribute of an autoencoder that holds what is told when a stage begins, while a generation is weighed."""


class Generation:
    """Follows one call of a pipeline and executes the schedule in it; a context manager.

    Args:
        pipe: the pipeline.
        compiled: its denoisers and what is applied to them.
        previews: whether the caller may decode latents while it denoises (in a callback).
        memory: what is run in slices, how much is parked, how features are stored; as it is when not given.
        tier: where features are parked.
        projection: what decoded frames go to instead of the pipeline.
        regions: names of the denoisers in which modules are compiled.
        steps: number of steps that were asked for, for pipelines that give no scheduler its timesteps.
        current: what is applied to the denoisers as they are now, and in which of them modules are compiled; asked
            before each step where the caller may have changed them since the last one.
        told: is told when it begins, and when it is over.

    Attributes:
        running: whether it has begun and is not over.
        warnings: what the user was warned of.
    """

    def __init__(
        self,
        pipe: Any,
        compiled: Compiled,
        *,
        previews: bool = True,
        memory: MemoryPlan | None = None,
        tier: Tier | None = None,
        projection: FilmOutput | None = None,
        regions: Collection[str] = (),
        steps: int | None = None,
        current: Callable[[], tuple[Compiled, Collection[str]]] | None = None,
        told: Callable[[Generation], None] = lambda _: None,
    ) -> None:
        self.compiled = compiled
        self.clock = Clock(steps)
        self.store = FeatureStore(tier, memory.storage if memory else "none")
        self.memory = memory
        self.projection = projection
        self._branches = Branches()
        self.governors = GateStates(compiled)
        self._guidance: dict[str, GuidanceReuse] = {}
        self._schedule: Schedule | None = None
        self._attached: list[Any] = []
        self._inner: set[int] = set()
        self._scope = Scope()
        self._calls: dict[int, TimedOp] = {}
        self._regions: dict[str, Regions] = {}
        self._pipe = pipe
        self._previews = previews
        self._current = current if previews else None
        self._looked = -1
        self._inside = regions
        self._untold = False
        """Whether a denoiser was called although nothing said how many steps there are, so that it was computed."""
        self._told = told
        self._since = RemovableHandle.next_id
        self._observed: dict[str, Observed] = {}
        self.running = False
        self.warnings: list[str] = []

    def __enter__(self) -> Generation:
        try:
            for name, part in components_of(self._pipe).items():
                if is_scheduler(part):
                    self._attach(part, hearing)
                    listen(self._scope, part, self)
                elif is_autoencoder(part):
                    self._attach(part, coding)
                    self._scope.table[id(part), "decode"] = self._decode(name)
            self._outfit()
            self._scope.owner = self
            self._scope.enter()
            self.running = True
            self._told(self)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, error: type[BaseException] | None = None, *_: object) -> None:
        self._scope.leave()
        self._calls.clear()
        while self._attached:
            detach(self._attached.pop())
        self._inner.clear()
        self._end_pass()
        self.store.clear()
        self.clock.ended()
        for branch in self.finished:
            branch.end()
        self.running = False
        self._told(self)
        names = list(self._regions) if self.clock.ever_stepped or self.clock.step > 0 else []
        checked = error is None and self.compiled.gate is None  # a gate may decide to compute all
        reason = without_effect(names, self.finished, self._schedule, self._observed) if checked else None
        if checked and self._untold:
            reason = "the pipeline gives no scheduler its timesteps, and its call says no number of steps"
        beyond = past_the_end(self.finished) if checked else None
        self.warn(
            None if reason is None else f"nothing was reused: {reason}",
            None if beyond is None else f"not all of the schedule was followed: {beyond}",
        )

    def warn(self, *messages: str | None) -> None:
        """Warn the user, of each thing once in a generation; all is kept, whatever filters make of it."""
        news = [message for message in dict.fromkeys(messages) if message and message not in self.warnings]
        self.warnings += news
        for message in news:
            warn(message)

    def _attach(self, thing: Any, way: Way) -> None:
        if id(thing) not in self._inner:
            attach(thing, way)
            self._inner.add(id(thing))
            self._attached.append(thing)

    def _outfit(self) -> None:
        """Attach to the denoisers, and have an operation for each."""
        for denoiser in self.compiled.model.denoisers:
            outer = holder(self._pipe, denoiser)
            regions = Regions(outer, denoiser, denoiser.name in self._inside)
            self._regions[denoiser.name], self._guidance[denoiser.name] = regions, GuidanceReuse()
            self._attach(outer, entering)
            for root in regions.roots:
                self._attach(root, intercepting)
            self._calls[id(outer)] = self._operation(denoiser)
            self._scope.table[id(outer)] = self._clocked(denoiser)

    def _look_again(self) -> None:
        """Once a step: where the caller has changed the denoisers, go on with what they are now, all computed anew."""
        if self._current is None or self.clock.step == self._looked:
            return
        first, self._looked = self._looked < 0, self.clock.step
        compiled, regions = (self.compiled, self._inside) if first else self._current()
        if compiled is not self.compiled:
            self._end_pass()
            self.store.clear()
            self.compiled, self._inside, self.governors = compiled, regions, GateStates(compiled)
            self._outfit()

    def _end_pass(self) -> None:
        self._branches.end_pass()
        self.governors.end_pass()
        for reuses_guidance in self._guidance.values():
            reuses_guidance.end_pass()

    def timesteps_set(self, scheduler: Any) -> None:
        """A scheduler was given its timesteps: features of an earlier pass are forgotten."""
        self._looked = -1
        if self.clock.timesteps_set(scheduler):
            self._end_pass()
            self.store.clear()

    def timestep_seen(self, timestep: Any) -> None:
        """The scheduler was told the timestep of the coming call."""
        self.clock.timestep_seen(timestep)

    def stepped(self, scheduler: Any, sample: Any = None) -> None:
        """A scheduler made a step from a sample."""
        self.clock.stepped(scheduler)
        for reuses_guidance in self._guidance.values():
            reuses_guidance.end_step(sample)

    def decoding(self) -> None:
        """Latents are decoded. Nothing is held then, even if the loop ended before the last timestep.

        A preview is decoded in the middle of the loop and goes on with what is held; unless the pipeline allows none,
        or was interrupted, we cannot tell.
        """
        if not self._previews or getattr(self._pipe, "_interrupt", False):
            for branch in self._branches.live:
                branch.drop(self.clock.step + 1)
            for reuses_guidance in self._guidance.values():
                reuses_guidance.end_step()

    def _decode(self, name: str) -> Op:
        """What happens when an autoencoder decodes: it is noted, and done in slices or groups if that is planned."""
        choice = self.memory.decode if self.memory else None
        cut = choice.cuts.get(name) if choice else None

        def operation(original: Callable[..., Any], autoencoder: Any, args: Any, kwargs: Any) -> Any:
            self.decoding()
            turn = autoencoder.__dict__.get(TURN)
            if turn is not None:
                turn("decode")
            if self.projection is not None:
                return self.projection.decode(autoencoder, args, kwargs, cut)
            if cut is None:
                return original(autoencoder, *args, **kwargs)
            return run_cut(autoencoder, "decode", cut, args, kwargs)

        return operation

    def _clocked(self, denoiser: Denoiser) -> Op:
        """What happens when a pipeline calls a denoiser."""

        def operation(original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
            tick = self.clock.called(denoiser.name, argument(denoiser.module, "timestep", args, kwargs, 1))
            self._look_again()
            if not self.clock.total:
                self._untold = True
                return original(module, *args, **kwargs)
            return self._calls[id(module)](tick, original, module, args, kwargs)

        return operation

    def _operation(self, denoiser: Denoiser) -> TimedOp:
        cuts, regions = self._cuts(denoiser), self._regions[denoiser.name]
        observers = Observers(denoiser.module, self._since)

        def call(tick: Tick, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
            branch = self._branch(denoiser, tick, args, kwargs)
            before = inner.table

            def arranged(table: Mapping[int, Op], whole: bool) -> Callable[..., Any]:
                sliced = {id_: Sliced(cut.slicing, cut.slices, table.get(id_)) for id_, cut in cuts.items()}
                table = {**table, **sliced} if sliced else table
                inner.table = regions.arranged(table)
                return regions.call(table, original, whole=whole)

            def anew() -> Any:
                return arranged({}, True)(module, *args, **kwargs)

            branch.observe(observers.found, observers.version, whole=differentiated(args, kwargs))
            try:
                run = arranged(branch.begin(tick.step), branch.at_once)
                row = branch.plan.row(tick.step)
                made = partial(called, branch, row, run, module, args, kwargs)
                compute = partial(or_recompute, branch, made, anew, self.warn)
                if row is None or branch.guidance is None:
                    output = compute()
                else:
                    output = self._guidance[denoiser.name].other(branch, row, latents_of(args, kwargs), compute)
                if branch.calls == 1:
                    branch.predicted = frozenset(tuple(tensor.shape) for tensor in tensors(output))
                return output
            finally:
                inner.table = before
                branch.finish()

        def operation(tick: Tick, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
            alone = observers.look(kwargs)
            if alone:
                self._note(denoiser.name, observers)
            elif differentiated(args, kwargs):
                alone = True
                self._observed.setdefault(denoiser.name, GRADIENTS)
            if not self.compiled.reuses_guidance(denoiser.name, self.clock.total):
                return call(tick, original, module, args, kwargs)

            def one(call_index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
                return call(Tick(tick.step, call_index), original, module, args, kwargs)

            def both(first: Given, other: Given, shape: tuple[int, ...]) -> tuple[Branch, Row, Any] | None:
                branches = (
                    self._branch(denoiser, Tick(tick.step, 0), *first),
                    self._branch(denoiser, Tick(tick.step, 1), *other),
                )
                if regions.whole is not None or regions.roots or not alike(*branches, tick.step):
                    return None
                return self._together(branches, tick.step, cuts, shape, lambda: original(module, *args, **kwargs))

            def rest(other: Given, known: Callable[[], Any]) -> Any:
                second = Tick(tick.step, 1)
                branch = self._branch(denoiser, second, *other)
                inside = branch.plan.touched - {branch.guidance}
                return call(second, original if inside else lambda *_, **__: known(), module, *other)

            calls = Calls(one, both, lambda: original(module, *args, **kwargs), rest)
            reuses_guidance = self._guidance[denoiser.name]
            made = self.compiled.makes(denoiser.name, self.clock.total, tick.step)
            says = False if alone else uses_guidance(self._pipe)
            return reuses_guidance.run(tick, args, kwargs, calls, made=made, says=says)

        return operation

    def _note(self, denoiser: str, observers: Observers) -> None:
        """Something of a denoiser is observed: what is run in slices must not be, since each shows a part of it.

        Raises:
            GenerationError: if it is.
        """
        self._observed.setdefault(denoiser, next(iter(observers.found.values())))
        seen = observers.within(self.memory.cuts.get(denoiser, {})) if self.memory else None
        if seen is not None:
            raise GenerationError(
                f"a module that is observed {seen.how}, {denoiser}.{seen.path}, in a part that the memory budget has "
                "run in slices",
                "observed modules that run as a whole",
                "raise the budget until no part with it runs in slices, or generate without memory=",
            )

    @staticmethod
    def _together(
        branches: tuple[Branch, Branch],
        step: int,
        cuts: Mapping[int, Cut],
        shape: tuple[int, ...],
        compute: Callable[[], Any],
    ) -> tuple[Branch, Row, Any]:
        """A call of a doubled batch whose halves do the same: the other half's branch and row, and what both give."""
        before = inner.table
        first, other = (
            {id_: op for id_, op in branch.begin(step).items() if isinstance(op, Keep)} for branch in branches
        )
        table: dict[int, Op] = {id_: KeepHalves(shape, (first.get(id_), other.get(id_))) for id_ in {**first, **other}}
        table |= {id_: Sliced(cut.slicing, cut.slices, table.get(id_)) for id_, cut in cuts.items()}
        inner.table = table
        try:
            output = compute()
        finally:
            inner.table = before
            for branch in branches:
                branch.finish()
        row = branches[1].plan.row(step)
        assert row is not None
        return branches[1], row, output

    def _branch(self, denoiser: Denoiser, tick: Tick, args: Any, kwargs: Any) -> Branch:
        """The branch of a call; a new one where a branch begins."""
        apart = self.compiled.gate is not None or self.compiled.reuses_guidance(denoiser.name, self.clock.total)
        return self._branches.of(
            denoiser.name,
            tick,
            (args, kwargs),
            partial(self._opened, denoiser, tick),
            timestep=argument(denoiser.module, "timestep", args, kwargs, 1),
            role=tick.call_index > 0 if apart else None,
            guides=uses_guidance(self._pipe),
        )

    def _opened(self, denoiser: Denoiser, tick: Tick, name: str, signature: Signature | None) -> Branch:
        """A new branch, which follows the schedule, or a gate."""
        plan, number = self._plan(denoiser, tick), self.clock.passes
        governor = self.governors.of(denoiser.name, self.clock.total)
        if governor is None:
            return Branch(denoiser, plan, self.store, name, signature, number, self._tape(denoiser, plan))
        first = tick.call_index == 0
        return GateBranch(governor, denoiser, plan, self.store, name, signature, number, decides=first)

    def _plan(self, denoiser: Denoiser, tick: Tick) -> Plan:
        if self.compiled.gate is None:
            self._schedule = self.compiled.schedule(self.clock.total)
            self.warn(self.compiled.notice(self.clock.total))
        plan, modules = self.compiled.plan(denoiser, self.clock.total, *tick)
        for module in modules:
            self._attach(module, intercepting)
        return plan

    def _tape(self, denoiser: Denoiser, plan: Plan) -> Tape | None:
        """What a branch parks; nothing if there is room for all."""
        memory = self.memory
        if memory is None or memory.capacity is None:
            return None
        sizes = memory.features.get(denoiser.name, {})
        return Tape.of(plan.schedule, sizes, tuple(sizes), memory.capacity, memory.ahead)

    def _cuts(self, denoiser: Denoiser) -> dict[int, Cut]:
        """What of a denoiser is run in slices, by module id; the modules are attached."""
        cuts: dict[int, Cut] = {}
        for path, cut in self.memory.cuts.get(denoiser.name, {}).items() if self.memory else ():
            module = denoiser.module.get_submodule(path)
            self._attach(module, intercepting)
            cuts[id(module)] = cut
        return cuts

    @property
    def branches(self) -> dict[object, Branch]:
        """Those that may be called again, by what distinguishes their features in the store."""
        return {branch.key: branch for branch in self._branches.live}

    @property
    def finished(self) -> list[Branch]:
        """Those that will not."""
        return self._branches.finished

    @property
    def schedule(self) -> Schedule | None:
        """The schedule that is followed, or what a gate has decided so far; None before the first denoiser call.

        Raises:
            PolicyError: if no single schedule does what a gate decided.
        """
        return self.record.schedule

    @property
    def record(self) -> Record:
        """What the generation did so far."""
        return Record(self._branches, self.store, self.governors, self._schedule, self.warnings)

    def stats(self) -> Stats:
        """Figures of what the generation did so far."""
        return self.record.stats()


def called(branch: Branch, row: Row | None, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
    """The denoiser itself: its output may be recalled or stored, always as a copy (pipelines write into it)."""
    root = branch.root
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


def holder(pipe: Any, denoiser: Denoiser) -> nn.Module:
    """The object that the pipeline calls: the denoiser, or what `torch.compile` wrapped around it."""
    holder = components_of(pipe).get(denoiser.name)
    return holder if isinstance(holder, nn.Module) else denoiser.module


def is_autoencoder(thing: Any) -> bool:
    """Whether a component of a pipeline is an autoencoder."""
    return isinstance(thing, nn.Module) and callable(getattr(thing, "decode", None))
