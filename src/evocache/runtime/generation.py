"""One generation: from the pipeline's call to its return. Everything that it attaches or stores ends with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from torch.utils.hooks import RemovableHandle

from ..memory import FeatureStore, Tape
from ..memory.planner.footprint import Cut
from ..model import Denoiser
from ..model.pipeline_components import find_called_denoiser, is_autoencoder, list_components
from ..schedule import Schedule
from ..user_warnings import warn
from .attach.call_scope import Op, Scope
from .attach.interception import Way, attach, detach, intercept_entry, intercept_part
from .attach.observers import Observed
from .attach.region import Regions
from .attach.scheduler_listener import autoencoder_shadowing, is_scheduler, listen, scheduler_shadowing
from .calls.branch_choice import Branches
from .calls.decode_call import DecodeCall
from .calls.denoiser_call import DenoiserCall
from .calls.denoiser_stream import DenoiserStream
from .calls.guidance import GuidanceReuse, uses_guidance
from .clock import Clock, Tick
from .compiled import Compiled, CompiledPlan
from .gates.gate_branch import GateBranch
from .gates.gate_state import GateStates
from .joint.encoders import encode, encode_pictures, encoders_to_hand_over
from .open_call import Follower, OpenCall
from .ops.branch import Branch
from .ops.latents import Signature
from .ops.streams import argument
from .results.figures import BranchFigures, StoreFigures
from .results.generation_record import Record
from .results.schedule_effect import shortcomings
from .survey.film_output import FilmOutput


class Generation(Follower):
    """Follows one call of a pipeline and executes the schedule in it; a context manager.

    Args:
        pipe: the pipeline.
        compiled: its denoisers and what is applied to them.
        call: the call, whose plan says what is run in slices, how much is parked and how features are stored.
        previews: whether the caller may decode latents while it denoises (in a callback).
        projection: what decoded frames go to instead of the pipeline.
        regions: names of the denoisers in which modules are compiled.
        steps: number of steps that were asked for, for pipelines that give no scheduler its timesteps.
        current: what is applied to the denoisers as they are now, and in which of them modules are compiled; asked
            before each step where the caller may have changed them since the last one.

    Attributes:
        scope: what happens instead of calls of components.
        warnings: what the user was warned of.
    """

    def __init__(
        self,
        pipe: Any,
        compiled: Compiled,
        call: OpenCall,
        *,
        previews: bool = True,
        projection: FilmOutput | None = None,
        regions: Collection[str] = (),
        steps: int | None = None,
        current: Callable[[], tuple[Compiled, Collection[str]]] | None = None,
    ) -> None:
        self.compiled = compiled
        self.clock = Clock(steps)
        self.call, self.memory = call, call.memory
        self.store = FeatureStore(coding=self.memory.storage if self.memory else "none")
        self.projection = projection
        self._branches = Branches()
        self.governors = GateStates(compiled)
        self._guidance: dict[str, GuidanceReuse] = {}
        self._schedule: Schedule | None = None
        self._attached: list[Any] = []
        self._inner: set[int] = set()
        self.scope = Scope()
        self._calls: dict[int, DenoiserCall] = {}
        self._stream = DenoiserStream()
        self._regions: dict[str, Regions] = {}
        self._pipe = pipe
        self._previews = previews
        self._current = current if previews else None
        self._checked_step = -1
        self._inside = regions
        self._without_steps = False  # whether a denoiser computed since nothing said how many steps there are
        self.since = RemovableHandle.next_id
        self.observed: dict[str, Observed] = {}  # by denoiser, what of it was observed first
        self.warnings: list[str] = []

    def __enter__(self) -> Generation:
        self.call.begin(self, self._pipe)
        self.store.tier = self.call.tier
        try:
            components = list_components(self._pipe)
            for name, part in components.items():
                if is_scheduler(part):
                    self._attach(part, scheduler_shadowing)
                    listen(self.scope, part, self)
                elif is_autoencoder(part):
                    self._attach(part, autoencoder_shadowing)
                    self.scope.table[id(part), "decode"] = DecodeCall(self, name)
                    self.scope.table[id(part), "encode"] = encode_pictures
            self._attach_denoisers(components)
            for part in encoders_to_hand_over(components, self._calls):
                self._attach(part, intercept_entry)
                self.scope.table[id(part)] = encode
            self.scope.owner = self
            self.scope.enter()
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, error: type[BaseException] | None = None, *_: object) -> None:
        self.scope.leave()
        self._calls.clear()
        while self._attached:
            detach(self._attached.pop())
        self._inner.clear()
        news: list[str] = []
        try:
            self._end_pass()
            self.store.clear()
            self.clock.ended()
            for branch in self.finished:
                branch.end()
            if error is None and self.compiled.gate is None:  # a gate may decide to compute all
                names = list(self._regions) if self.clock.ever_stepped or self.clock.step > 0 else []
                given = names, self.finished, self._schedule, self.observed
                news = self._note(shortcomings(*given, uncounted=self._without_steps))
        finally:
            self.call.end(self._pipe)  # which keeps what was noted
        for message in news:
            warn(message)

    def warn(self, *messages: str | None) -> None:
        """Warn the user, of each thing once in a generation; all is kept, whatever filters make of it."""
        for message in self._note(messages):
            warn(message)

    def _note(self, messages: Iterable[str | None]) -> list[str]:
        news = [message for message in dict.fromkeys(messages) if message and message not in self.warnings]
        self.warnings += news
        return news

    def _attach(self, thing: Any, way: Way) -> None:
        if id(thing) not in self._inner:
            attach(thing, way)
            self._inner.add(id(thing))
            self._attached.append(thing)

    def _attach_denoisers(self, components: Mapping[str, Any]) -> None:
        """Attach to the denoisers, and have an operation for each."""
        for denoiser in self.compiled.model.denoisers:
            outer = find_called_denoiser(components, denoiser.name, denoiser.module)
            regions = Regions(outer, denoiser, denoiser.name in self._inside)
            self._regions[denoiser.name], self._guidance[denoiser.name] = regions, GuidanceReuse()
            self._attach(outer, intercept_entry)
            for root in regions.roots:
                self._attach(root, intercept_part)
            self._calls[id(outer)] = DenoiserCall(
                self, denoiser, regions, self._cuts(denoiser), self._guidance[denoiser.name]
            )
            self.scope.table[id(outer)] = self._denoise_at_tick(denoiser)

    def _refresh_denoisers(self) -> None:
        """Once a step: where the caller has changed the denoisers, go on with what they are now, all computed anew."""
        if self._current is None or self.clock.step == self._checked_step:
            return
        first, self._checked_step = self._checked_step < 0, self.clock.step
        compiled, regions = (self.compiled, self._inside) if first else self._current()
        if compiled is not self.compiled:
            self._end_pass()
            self.store.clear()
            self.compiled, self._inside, self.governors = compiled, regions, GateStates(compiled)
            self._attach_denoisers(list_components(self._pipe))

    def _end_pass(self) -> None:
        self._branches.end_pass()
        self.governors.end_pass()
        for reuses_guidance in self._guidance.values():
            reuses_guidance.end_pass()

    def timesteps_set(self, scheduler: Any) -> None:
        """Forget the features of an earlier pass, since a scheduler was given its timesteps."""
        self._checked_step = -1
        if self.clock.timesteps_set(scheduler):
            self._end_pass()
            self.store.clear()

    def timestep_seen(self, timestep: Any) -> None:
        """Note the timestep of the coming call, of which the scheduler was told."""
        self.clock.timestep_seen(timestep)

    def stepped(self, scheduler: Any, sample: Any = None) -> None:
        """Note that a scheduler made a step from a sample."""
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

    def _denoise_at_tick(self, denoiser: Denoiser) -> Op:
        """What happens when a pipeline calls a denoiser."""

        def operation(original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
            tick = self.clock.called(denoiser.name, argument(denoiser.module, "timestep", args, kwargs, 1))
            self._refresh_denoisers()
            if self.call.offloads:
                self.call.announce(denoiser.name)
            if not self.clock.total:
                self._without_steps = True
                return original(module, *args, **kwargs)
            if not self._stream.has(args, kwargs):
                return self._stream.call(partial(self._calls[id(module)], tick, original, module, args, kwargs))
            return self._calls[id(module)](tick, original, module, args, kwargs)

        return operation

    def uses_guidance(self) -> bool | None:
        """Return what the pipeline says of whether it guides; None if it says nothing."""
        return uses_guidance(self._pipe)

    def branch_of(self, denoiser: Denoiser, tick: Tick, args: Any, kwargs: Any) -> Branch:
        """Return the branch of a call; a new one where a branch begins."""
        separate = self.compiled.gate is not None or self.compiled.reuses_guidance(denoiser.name, self.clock.total)
        return self._branches.of(
            denoiser.name,
            tick,
            (args, kwargs),
            partial(self._open_branch, denoiser, tick),
            timestep=argument(denoiser.module, "timestep", args, kwargs, 1),
            role=tick.call_index > 0 if separate else None,
            guides=self.uses_guidance(),
        )

    def _open_branch(self, denoiser: Denoiser, tick: Tick, name: str, signature: Signature | None) -> Branch:
        """A new branch, which follows the schedule, or a gate."""
        (plan, layout, _), number = self._plan(denoiser, tick), self.clock.passes
        governor = self.governors.of(denoiser.name, self.clock.total)
        if governor is None:
            return Branch(layout, plan, self.store, name, signature, number, self._tape(denoiser.name, plan.schedule))
        first = tick.call_index == 0
        return GateBranch(governor, layout, plan, self.store, name, signature, number, decides=first)

    def _plan(self, denoiser: Denoiser, tick: Tick) -> CompiledPlan:
        if self.compiled.gate is None:
            self._schedule = self.compiled.schedule(self.clock.total)
            self.warn(self.compiled.notice(self.clock.total))
        compiled = self.compiled.plan(denoiser, self.clock.total, *tick)
        for module in compiled.modules:
            self._attach(module, intercept_part)
        return compiled

    def _tape(self, denoiser: str, schedule: Schedule) -> Tape | None:
        """What a branch parks; nothing if there is room for all."""
        memory = self.memory
        if memory is None or memory.capacity is None:
            return None
        sizes = memory.features.get(denoiser, {})
        return Tape.of(schedule, sizes, tuple(sizes), memory.capacity, memory.ahead)

    def _cuts(self, denoiser: Denoiser) -> dict[int, Cut]:
        """What of a denoiser is run in slices, by module id; the modules are attached."""
        cuts: dict[int, Cut] = {}
        for path, cut in self.memory.cuts.get(denoiser.name, {}).items() if self.memory else ():
            module = denoiser.module.get_submodule(path)
            self._attach(module, intercept_part)
            cuts[id(module)] = cut
        return cuts

    @property
    def finished(self) -> list[Branch]:
        """Branches that have ended, in the order in which they did."""
        return self._branches.finished

    @property
    def record(self) -> Record:
        """What the generation did so far."""
        branches = tuple(map(BranchFigures.of, self._branches.all))
        return Record(branches, StoreFigures.of(self.store), self.governors, self._schedule, tuple(self.warnings))
