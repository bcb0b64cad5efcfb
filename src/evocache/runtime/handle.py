"""The handle of an accelerated pipeline: the one place where a pipeline is changed, and changed back."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from typing import Any

import torch

from ..display import Displayed
from ..errors import PipelineError
from ..memory.planner.planner import Machine, MemoryPlan
from ..model import Model
from ..schedule import Schedule
from ..user_warnings import warn
from .attach.accelerated_class import accelerate, acceleration, give_back
from .attach.subclasses import plain
from .call_context import outside_in_loop
from .compiled import Compiled
from .generation import Generation
from .open_call import OpenCall
from .pipeline_state import State, StateAttribute
from .program.program import Program
from .results.stats import Stats
from .runner import Runner, context, run
from .survey.film_output import FilmOutput


class Handle(Displayed):
    """An accelerated pipeline's handle: what is applied, what it did, and the way back.

    As a context manager it removes itself at the end, and what was applied before is applied again. Of generations that
    are open at once the latest is the one that began last.

    Attributes:
        storage: the coding that features are stored in.
        memory: the memory plan of the latest generation, or of all; None where nothing is to be planned.
        budget: bytes that a generation may hold; None where there is no limit.
        measure: whether generations are also weighed, stage by stage.
        machine: what plans go by; None to measure the one at hand.
        program: what is applied.
        choice: why that was chosen, in a sentence; empty where the user named it.
    """

    storage = StateAttribute[str]()
    memory = StateAttribute[MemoryPlan | None]()
    budget = StateAttribute[int | None]()
    measure = StateAttribute[bool]()
    machine = StateAttribute[Machine | None]()
    program = StateAttribute[Program]()
    choice = StateAttribute[str]()
    _compiled = StateAttribute[Compiled]()
    _latest = StateAttribute[OpenCall | None]()

    def __init__(self, pipe: Any, state: State) -> None:
        self.pipe = pipe
        self._state = state

    @classmethod
    def attach(
        cls,
        pipe: Any,
        model: Model,
        program: Program,
        memory: MemoryPlan | int | None = None,
        storage: str = "none",
        measure: bool = False,
        choice: str = "",
        notices: Sequence[str] = (),
    ) -> Handle:
        """Accelerate a pipeline, in the place of what was applied to it before.

        Args:
            pipe: the pipeline.
            model: its denoisers.
            program: what is applied.
            memory: a plan, or bytes that a generation may hold.
            storage: the coding that features are stored in.
            measure: whether generations are also weighed.
            choice: why it was chosen, in a sentence; empty where the user named it.
            notices: what the user was warned of meanwhile.
        """
        state = State(pipe, model, program, storage, measure, run)
        state.memory = memory if isinstance(memory, MemoryPlan) else None
        if state.memory is None and storage != "none":
            state.memory = MemoryPlan(None, {}, storage=storage)
        state.budget = memory if isinstance(memory, int) else None
        state.choice = choice
        state.notices = tuple(notices)
        handle = cls(pipe, state)
        state.handle = weakref.ref(handle)
        former = handle_of(pipe)
        if former is not None:
            former._leave()
            state.before = former._state
            if not state.before.entered:
                state.before.before = None  # nobody is going to end it
        handle._install()
        return handle

    def share(self, copy: Any, place: torch.device | None = None) -> Handle:
        """Accelerate a copy of the pipeline by the same, at once: nothing is looked up, chosen or planned again.

        For many calls at a time, each on an object of its own.

        Args:
            copy: a shallow copy, of the same class and with the same modules, to which nothing is applied.
            place: where all its calls compute, if its modules stay where they are; each call asks, if not given.

        Returns:
            The copy's handle. Removing this one does not change what is applied to the copy.

        Raises:
            PipelineError: if it is another pipeline.

        >>> import copy
        >>> handle = evocache.apply(pipe, "fora:2")
        >>> own = copy.copy(pipe)
        >>> handle.share(own)
        <Handle: fora:2 on PixArtAlphaPipeline>
        """
        if plain(copy) is not self._state.cls or acceleration(copy) is not None:
            raise PipelineError(
                f"a {plain(copy).__name__}" + ("" if acceleration(copy) is None else " that is accelerated"),
                f"a copy of the {self._state.cls.__name__} that the handle is of",
                "pass copy.copy(handle.pipe)",
            )
        state = self._state.of_copy(copy, place)
        handle = Handle(copy, state)
        state.handle = weakref.ref(handle)
        handle._install()
        return handle

    @property
    def model(self) -> Model:
        """The pipeline's denoisers, as they were at the latest generation."""
        return self._compiled.model

    @property
    def stats(self) -> Stats:
        """Figures of the latest generation, the one that began last, also while it runs.

        Raises:
            PipelineError: if there has been none.

        >>> with evocache.apply(pipe, "fora:2") as handle:
        ...     _ = pipe("a red fox", num_inference_steps=2)
        >>> handle.stats.calls, handle.stats.executed_fraction
        ({'transformer': 2}, 0.5)
        """
        return self._latest_call.stats.after(self._state.notices)

    @property
    def recorded(self) -> Schedule:
        """The schedule that the latest generation followed; of a gate, its decisions, which replay to the same output.

        What a gate decided at a step is a row; steps that were not run are computed. Its provenance is the spec.

        Raises:
            PipelineError: if there has been no generation.
            PolicyError: if no single schedule does what a gate decided: several passes that differ.

        >>> with evocache.apply(pipe, "fbcache:0.1") as handle:
        ...     _ = pipe("a red fox", num_inference_steps=4)
        >>> handle.recorded
        <Schedule 'fbcache:0.1': 4 steps, ...>
        """
        schedule = self._latest_call.record.schedule
        if schedule is None:
            raise PipelineError("no denoiser call so far", "a pipeline that has run", "call the pipeline first")
        return schedule

    @property
    def _latest_call(self) -> OpenCall:
        """The call that began last; PipelineError if there was none."""
        if self._latest is None:
            raise PipelineError("no generation so far", "a pipeline that has run", "call the pipeline first")
        return self._latest

    @property
    def active(self) -> bool:
        """Whether the pipeline is accelerated by this handle.

        >>> handle = evocache.apply(pipe, "fora:2")
        >>> handle.active
        True
        >>> handle.remove()
        >>> handle.active
        False
        """
        return self._state.active

    def plan(self, *args: Any, **kwargs: Any) -> MemoryPlan:
        """Plan the memory of a call of the pipeline with these arguments, without calling it: nothing is computed.

        Where kernels may take more than can be told, so that the budget may be exceeded, a warning says so.

        Plans are kept, those used last: calls that differ only in their pictures' contents and seeds have the same, as
        long as the pipeline is the same: its components, their types and adapters, how its autoencoder is set. Where
        words or numbers differ, the call is followed by a dry run, some milliseconds; it has the plan of any call in
        which the same was seen.

        Raises:
            BudgetError: if the call cannot be made to fit the budget; it says by how much.
            PipelineError: if the pipeline refuses the call.
            PolicyError: if what is applied is a gate.

        >>> with evocache.apply(pipe, "fora:2", memory="1GB") as handle:
        ...     plan = handle.plan("a red fox", num_inference_steps=2)
        >>> plan.budget, sorted(plan.stages)
        (1000000000, ['decode', 'denoise', 'encode'])
        >>> plan.peak < plan.budget
        True
        """
        memory = self._runner.memory()
        plan, unforeseen = memory.plan(args, kwargs), memory.unforeseen()
        if unforeseen is not None:
            warn(unforeseen)
        return plan

    @property
    def _runner(self) -> Runner:
        """What runs generations."""
        return Runner(self.pipe, self._state)

    def generation(
        self, *, previews: bool = True, projection: FilmOutput | None = None, steps: int | None = None
    ) -> Generation:
        """Open a generation around a denoising loop of one's own, under the plan that the handle has now.

        It holds for calls that are made by the function with the `with` statement, at any depth and in any thread; not
        for others, also while that function is a generator or a coroutine that is suspended.

        Outside of the context of a point that is applied a warning says so, as far as the pipeline tells: solver,
        types, adapters, weights.

        Args:
            previews: whether latents may be decoded in the middle of the loop, or modules exchanged; if not, what is
                cached is let go when they are decoded.
            projection: what decoded frames go to instead of the pipeline.
            steps: number of steps of the loop, where no scheduler is given its timesteps.

        Raises:
            PipelineError: if there is a memory budget, and no plan for the loop; if a cache of diffusers was enabled
                on a denoiser.
            GenerationError: as it begins, if calls are open that have other components leave the device than its plan.
        """
        opened = self._runner.generation(previews=previews, projection=projection, steps=steps)
        opened.warn(outside_in_loop(context(self.program), self.pipe, self.model, steps))
        return opened

    def remove(self) -> None:
        """Give the pipeline back as it was; nothing happens if that was done already.

        A generation that runs, as when this is called in a callback, ends with what it has, as it began.
        """
        self._leave()
        self._state.removed = True

    def _leave(self) -> None:
        state = self._state
        state.active = False
        give_back(self.pipe, state)
        state.let_go()

    def __enter__(self) -> Handle:
        self._state.entered = True
        return self

    def __exit__(self, *_: object) -> None:
        state = self._state
        before, state.before, state.entered = state.before, None, False
        self.remove()
        if before is not None and not before.removed and acceleration(self.pipe) is None:
            Handle(self.pipe, before)._install()

    def __str__(self) -> str:
        from ..memory.planner.plan_table import plan_text
        from ..tables import plain

        found = [f"{self.program} on {type(self.pipe).__name__}" + ("" if self.active else ", removed")]
        found += [self.choice] if self.choice else []
        found += ["no generation so far"] if self._latest is None else self.stats.lines()
        found += ["", plan_text(self.memory)] if self.memory is not None else []
        return plain(*found)

    def __repr__(self) -> str:
        return f"<Handle: {self.program} on {type(self.pipe).__name__}{'' if self.active else ', removed'}>"

    def _install(self) -> None:
        """Have calls of the pipeline run inside generations."""
        self._runner.offload()
        self._state.active = True
        accelerate(self.pipe, self._state)

    def film(self, path: str | os.PathLike[str], *args: Any, fps: float = 8, **kwargs: Any) -> int:
        """Call the pipeline and write the video that it decodes straight into a file; it is never held as a whole.

        Args:
            path: ends in .mp4, .gif or .webp, or has no suffix: a folder of PNG files.
            args: positional arguments of the call.
            fps: frames a second.
            kwargs: keyword arguments of the call, for one video.

        Returns:
            The number of frames.

        Raises:
            FilmError: if the file cannot be written, or what is decoded are no pictures.
            BudgetError: if the call cannot be made to fit the memory budget.
        """
        return self._runner.film(path, args, kwargs, fps)


def handle_of(pipe: Any) -> Handle | None:
    """Return the handle of an accelerated pipeline; None if it is not accelerated."""
    state = acceleration(pipe)
    if not isinstance(state, State):
        return None
    known = None if state.handle is None else state.handle()
    if known is None:
        known = Handle(pipe, state)
        state.handle = weakref.ref(known)
    return known
