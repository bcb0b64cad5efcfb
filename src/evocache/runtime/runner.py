"""What runs the generations of an accelerated pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import PipelineError
from ..model import discover
from ..schedule.front.context import Context
from .attach.callbacks import outlying_callbacks
from .attach.conflicts import refuse_conflicts
from .attach.snapshot import snapshot
from .call_context import outside_of
from .call_memory import CallMemory
from .compiled import Compiled
from .estimate.measure import measure as measured
from .generation import Generation
from .pipeline_state import State, modules_of
from .program.program import Fixed, Program, check, with_own_steps
from .program.step_arguments import steps_of
from .survey.film_output import FilmOutput


class Runner:
    """Runs a pipeline's calls inside generations, under what is applied to it.

    Args:
        pipe: the pipeline.
        state: what it holds.
    """

    def __init__(self, pipe: Any, state: State) -> None:
        self._pipe = pipe
        self._state = state

    @property
    def memory(self) -> CallMemory:
        """Plans the memory of calls, and has it kept."""
        return CallMemory(self._pipe, self._state, self.current)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any], projection: FilmOutput | None = None) -> Any:
        """Call the pipeline inside a generation."""
        pipe, state, memory = self._pipe, self._state, self.memory
        call = state.cls.__call__
        kwargs = with_own_steps(state.program, call, (pipe, *args), kwargs)
        previews = any(name.startswith("callback") and value is not None for name, value in kwargs.items())
        apart = outside_of(context(state.program), pipe, state.compiled.model, call, args, kwargs)

        def made() -> Any:
            steps = steps_of(call, (pipe, *args), kwargs)
            try:
                with (
                    outlying_callbacks(args, kwargs) as (given, named),
                    self.generation(previews=previews, projection=projection, steps=steps) as now,
                ):
                    now.warn(memory.unforeseen(), apart)
                    return call(pipe, *given, **named)
            finally:
                if state.away is not None:
                    state.away.rest()

        state.computing = getattr(pipe, "_execution_device", None)  # pipelines of others may know none
        try:
            if state.budget is not None:
                state.memory = memory.plan(args, kwargs, film=projection is not None)
            memory.offload()
            return self._weighed(made) if state.measure else made()
        finally:
            state.computing = None

    def _weighed(self, made: Callable[[], Any]) -> Any:
        """What a generation makes; what it holds meanwhile is kept for its figures."""
        out: list[Any] = []
        self._state.stages = measured(self._pipe, self._state.compiled.model, lambda: out.append(made()))
        return out.pop()

    def generation(self, *, previews: bool, projection: FilmOutput | None, steps: int | None) -> Generation:
        """A generation, to be entered around a call or a loop.

        Raises:
            PipelineError: if there is a memory budget, and no plan; if a cache of diffusers was enabled on a denoiser.
        """
        state, memory = self._state, self._state.memory
        if state.budget is not None and (memory is None or memory.budget is None):
            raise PipelineError(
                "a memory budget without a plan",
                "a plan for the call that the loop stands for",
                "set handle.memory = handle.plan(**arguments of the call) first",
            )
        compiled, regions = self.current()
        state.stages = {}
        return Generation(
            self._pipe,
            compiled,
            previews=previews,
            memory=memory,
            tier=self.memory.tier() if memory is not None and memory.capacity is not None else None,
            projection=projection,
            regions=regions,
            steps=steps,
            current=self.current,
            told=state.turned,
        )

    def current(self) -> tuple[Compiled, frozenset[str]]:
        """What is applied to the denoisers as they are now, and in which of them modules are compiled.

        If a denoiser was replaced, added or taken away, or a module in one was (an adapter, a quantised layer, a
        block), all are discovered anew, as `apply` would, and what is applied must fit them.

        Raises:
            MismatchError: if it does not.
            PipelineError: if there is no denoiser left, or something is on one that is refused.
        """
        state, parts = self._state, modules_of(self._pipe)
        known = state.compiled.model
        model = known if parts == state.parts else discover(self._pipe)
        seen = {denoiser.name: snapshot(denoiser.module) for denoiser in model.denoisers}
        same = seen.keys() == state.seen.keys()
        if not same or not all(seen[name].same_modules(state.seen[name]) for name in seen):
            if model is known:
                model = discover(self._pipe)
            check(state.program, model)
            state.plans.clear()
            state.compiled = Compiled(model, state.program)
        state.parts, state.seen = parts, seen
        return state.compiled, refuse_conflicts(model, seen)


def run(pipe: Any, state: State, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a pipeline under what it holds."""
    return Runner(pipe, state).run(args, kwargs)


def context(program: Program) -> Context | None:
    """Where what is applied was evolved, as far as that is known."""
    return program.context if isinstance(program, Fixed) else None
