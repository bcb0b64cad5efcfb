"""`apply` and its undo: from what a user may give to an accelerated pipeline."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import nn

from ..errors import PipelineError, PolicyError, short
from ..memory.offload.shared_offload import check_offload
from ..memory.planner.planner import MemoryPlan
from ..memory.quantization import check_coding
from ..model import discover
from ..model.bare_denoiser import BareDenoiser
from ..policies import Gate, Policy
from ..schedule import Schedule
from ..schedule.front import Front, Point
from ..units import in_bytes
from ..user_warnings import warn
from .attach.conflicts import refuse_conflicts
from .attach.snapshot import snapshot
from .call_context import foreign
from .choice.wishes import choose
from .estimate.residency import offloaded
from .handle import Handle, handle_of
from .program.program import check, refuse_unplannable, resolve, with_point_memory
from .runner import context


def apply(
    pipe: Any,
    what: Schedule | Point | Front | Policy | Gate | str | os.PathLike[str] | None = None,
    *,
    speedup: float | None = None,
    quality: float | None = None,
    memory: MemoryPlan | int | float | str | None = None,
    storage: str | None = None,
    measure: bool = False,
) -> Handle:
    """Accelerate a pipeline; `handle.remove()` undoes it exactly. Applying again replaces what was applied.

    `with apply(...):` holds for the block: what was applied before, if anything, is applied again at its end.

    Without `what`, or with a front, what is applied is chosen; `handle.choice` says what, and why. Of a front that is
    the point that `Front.pick` gives. Without a front it is a point of the front that ships with the model
    (`front.json` beside its weights), or, where there is none, whole steps as far apart as the speed-up is predicted to
    take, with a warning that nothing was measured. Where nothing is asked for the speed-up is 1.5, and a warning says
    what was chosen; where memory alone is, everything is computed.

    A bare denoiser has no call that begins a generation. Of one nothing is changed but within a loop of the user's own,
    `with handle.generation(steps=20): ...`, which the handle is kept for.

    Args:
        pipe: a diffusers pipeline with a denoiser, or a bare denoiser.
        what: a schedule or its file; a policy or its spec (`"fora:3"`; see `evocache policies`); a front, its file, the
            folder of a run, or a point of a front. A point that knows its number of steps is run with it: a call that
            gives neither `num_inference_steps` nor `timesteps` nor `sigmas` is given it. All else is resampled to the
            steps that the pipeline makes.
        speedup: least speed-up over the uncached pipeline, of a point of the front.
        quality: least quality of a point of the front, in the front's own measure.
        memory: the budget, bytes that a generation may hold on the pipeline's device, weights included, such as
            `"8GB"`; or a memory plan, which is followed as it is. Under a budget each call is planned before it starts:
            what runs in slices, which features are parked off the device, how latents are decoded. A call that cannot
            be made to fit raises BudgetError before anything is computed. Calls that are open at once are planned one
            by one, and each may hold the whole budget. Of a front whose points know what they hold, a point is picked
            that holds no more than the budget.
        storage: the type that features are stored in: `"bf16"`, `"fp8"` or `"int8"` instead of the one that they are
            computed in (`"none"`). It takes less memory and changes the output: how far features come back off is told
            in `memory.quantization`, and measured by its `error`. When not given it is the plan's, if there is one.
        measure: whether generations are also weighed tensor by tensor, so that `handle.stats.stages` tells what each
            stage held when most was: weights, activations, cached features. It takes time, as every operation is
            looked at.

    A point of a front brings memory and storage along, if it was evolved with them; what is given goes before. One that
    knows its context warns at calls outside of it: of another guidance scale, size, solver, number of steps, dtype,
    adapter or weights than it was evolved at; of weights here, too.

    Returns:
        The handle.

    Raises:
        PipelineError: if it is no pipeline or has no denoiser; if a cache of diffusers is enabled on it; if a plan
            that is given moves components off the device, and that is the CPU; if there is memory for a bare denoiser.
        FrontError: if no point of the front meets what is asked for, or a quality is asked for without a front.
        RunError: if the front cannot be read.
        PolicyError: if the policy is unknown, or makes no sense for the model; if it is a gate, or makes calls of a
            step from its first, and there is a memory budget; if the storage is unknown, or another than that of the
            memory plan; if a speed-up or quality is asked for of a single schedule or policy.
        ScheduleError: if the file is no schedule, or was made for another model.
        AmountError: if the memory is no number of bytes.

    >>> with evocache.apply(pipe, "fora:2") as handle:
    ...     image = pipe("a red fox", num_inference_steps=4).images[0]
    >>> f"{handle.stats.executed_fraction:.0%} executed"
    '50% executed'
    >>> handle.active
    False
    """
    most = memory if memory is None or isinstance(memory, MemoryPlan) else in_bytes(memory)
    if isinstance(pipe, nn.Module):
        pipe = BareDenoiser.of(pipe)
        if most is not None:
            raise PipelineError(
                f"memory={short(memory)} for a bare {type(pipe.denoiser).__name__}",
                "a diffusers pipeline, whose calls can be planned",
                "pass the pipeline that uses it, or leave memory out",
            )
    model = discover(pipe)
    choice = choose(pipe, model, what, speedup=speedup, quality=quality, memory=memory)
    most, storage = with_point_memory(choice.what, most, storage)
    stored = _storage(most, storage)
    refuse_conflicts(model, {denoiser.name: snapshot(denoiser.module) for denoiser in model.denoisers})
    program = resolve(choice.what)
    check(program, model)
    found = (choice.text if choice.notable else None, foreign(context(program), model))
    notices = [notice for notice in found if notice]
    for notice in notices:
        warn(notice)
    if most is not None:
        refuse_unplannable(program, model)
    if isinstance(most, MemoryPlan):
        _movable(pipe, most)
        check_offload(pipe, most.offload)
    return Handle.attach(pipe, model, program, most, stored, measure, choice.text, notices)


def handle(pipe: Any) -> Handle | None:
    """Return the handle of an accelerated pipeline, also where the one that `apply` returned is lost.

    Args:
        pipe: any pipeline, or a bare denoiser; a denoiser does not keep its handle, so that of it a handle is found
            as long as somebody has it.

    Returns:
        The handle that is active on it; None if it is not accelerated.

    >>> evocache.handle(pipe) is None
    True
    >>> with evocache.apply(pipe, "fora:2") as applied:
    ...     evocache.handle(pipe) is applied
    True
    """
    found = BareDenoiser.known(pipe) if isinstance(pipe, nn.Module) else pipe
    return None if found is None else handle_of(found)


def remove(pipe: Any) -> None:
    """Give an accelerated pipeline back as it was; nothing happens to one that is not accelerated.

    It does what `handle.remove()` does. Within `with apply(...)` what was applied outside of the block is applied again
    at its end.

    Args:
        pipe: any pipeline, or a bare denoiser.

    >>> _ = evocache.apply(pipe, "fora:2")
    >>> evocache.remove(pipe)
    >>> evocache.handle(pipe) is None
    True
    """
    found = handle(pipe)
    if found is not None:
        found.remove()


def _storage(memory: MemoryPlan | int | None, storage: str | None) -> str:
    """The coding that features are stored in: that of the plan, if there is one, or what is asked for, or none."""
    planned = memory.storage if isinstance(memory, MemoryPlan) else None
    if storage is None:
        return planned or "none"
    if planned not in (None, check_coding(storage)):
        raise PolicyError(
            f"storage {storage!r} with a memory plan for {planned!r}",
            "one of the two",
            "leave storage out, or make the plan for it",
        )
    return storage


def _movable(pipe: Any, plan: MemoryPlan) -> None:
    """Refuse a plan that moves components off the device where that is the one that they are kept on."""
    if plan.offload and torch.device(pipe._execution_device).type == "cpu" and not offloaded(pipe):
        raise PipelineError(
            "a memory plan in which components leave the device, on a pipeline that computes on the CPU",
            "a pipeline on an accelerator",
            "move it there, or make the plan with offload=False",
        )
