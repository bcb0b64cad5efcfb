"""What runs the generations of an accelerated pipeline."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from ..errors import GenerationError, PipelineError
from ..model import discover
from ..schedule.front.context import Context
from ..video.writer import film
from .attach.callbacks import exclude_callbacks
from .attach.conflicts import refuse_conflicts
from .attach.snapshot import snapshot
from .call_context import outside_of
from .call_memory import CallMemory
from .compiled import Compiled
from .estimate.estimate import FILMED
from .estimate.measure import measure
from .generation import Generation
from .open_call import OpenCall
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

    def memory(self, device: torch.device | None = None) -> CallMemory:
        """Return what plans the memory of calls; where the pipeline computes is asked when not given."""
        return CallMemory(self._pipe, self._state, self.current, device)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any], projection: FilmOutput | None = None) -> Any:
        """Call the pipeline inside a generation.

        Raises:
            BudgetError: if the call cannot be made to fit the budget.
            GenerationError: if calls that use the same components are open under another offloading.
        """
        pipe, state, call = self._pipe, self._state, self._state.cls.__call__
        where = getattr(pipe, "_execution_device", None)  # pipelines of others may know none
        device = None if where is None else torch.device(where)
        memory = self.memory(device)
        kwargs = with_own_steps(state.program, call, (pipe, *args), kwargs)
        previews = any(name.startswith("callback") and value is not None for name, value in kwargs.items())
        plan = state.memory
        if state.budget is not None:  # the call goes by its own plan; another thread may make one meanwhile
            plan = state.memory = memory.plan(args, kwargs, film=projection is not None)
        opened = OpenCall(state, plan, device)
        outside = outside_of(context(state.program), pipe, state.compiled.model, call, args, kwargs)

        def generate() -> Any:
            steps = steps_of(call, (pipe, *args), kwargs)
            with (
                exclude_callbacks(args, kwargs) as (given, named),
                self._follow(opened, previews=previews, projection=projection, steps=steps) as now,
            ):
                now.warn(memory.unforeseen(), outside)
                return call(pipe, *given, **named)

        return self._run_measured(opened, generate) if state.measure else generate()

    def film(self, path: str | os.PathLike[str], args: tuple[Any, ...], kwargs: dict[str, Any], fps: float) -> int:
        """Call the pipeline and write the video that it decodes straight into a file; return the number of frames.

        Raises:
            FilmError: if the file cannot be written, or what is decoded are no pictures.
            BudgetError: if the call cannot be made to fit the budget.
        """
        with film(path, fps=fps) as out:
            try:
                self.run(args, {**kwargs, **FILMED}, FilmOutput(out.write))
            except (NotImplementedError, RuntimeError) as error:
                # the pipeline looked at what it had decoded, which it was not given
                if not out.frames or "meta" not in str(error):
                    raise
            return out.frames

    def _run_measured(self, opened: OpenCall, generate: Callable[[], Any]) -> Any:
        """What a generation makes; what it holds meanwhile is kept with its call."""
        out: list[Any] = []
        opened.stages = measure(self._pipe, self._state.compiled.model, lambda: out.append(generate()))
        return out.pop()

    def generation(self, *, previews: bool, projection: FilmOutput | None, steps: int | None) -> Generation:
        """Open a generation, to be entered around a loop; it follows the plan that the pipeline has now.

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
        return self._follow(OpenCall(state, memory), previews=previews, projection=projection, steps=steps)

    def _follow(
        self, opened: OpenCall, *, previews: bool, projection: FilmOutput | None, steps: int | None
    ) -> Generation:
        """The generation that follows a call."""
        compiled, regions = self.current()
        return Generation(
            self._pipe,
            compiled,
            opened,
            previews=previews,
            projection=projection,
            regions=regions,
            steps=steps,
            current=self.current,
        )

    def offload(self) -> None:
        """Have components leave the device as planned for all calls, unless calls are open that need them there."""
        opened = OpenCall(self._state, self._state.memory)
        with suppress(GenerationError):
            opened.offload(self._pipe)

    def current(self) -> tuple[Compiled, frozenset[str]]:
        """Return what is applied to the denoisers as they are now, and in which of them modules are compiled.

        If a denoiser was replaced, added or taken away, or a module in one was (an adapter, a quantised layer, a
        block), all are discovered anew, as `apply` would, and what is applied must fit them.

        Raises:
            MismatchError: if it does not.
            PipelineError: if there is no denoiser left, or something is on one that is refused.
        """
        with self._state.refreshing:
            return self._current()

    def _current(self) -> tuple[Compiled, frozenset[str]]:
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
    """Return where what is applied was evolved, as far as that is known."""
    return program.context if isinstance(program, Fixed) else None
