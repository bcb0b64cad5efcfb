"""What a pipeline's call will hold: the footprint that a memory plan is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...display import Displayed
from ...memory.cudnn_workspace import Workspace
from ...memory.offload.stage_offload import find_offloadable
from ...memory.planner.footprint import CallPrint, Choice, Footprint, Stage
from ...memory.planner.plan_table import plan_text
from ...memory.planner.planner import USUAL, Machine, MemoryPlan, plan
from ...memory.planner.timeline import Moment, timeline
from ...memory.quantization import check_coding
from ...memory.rehearsal.rehearsal import shadow
from ...model import Denoiser, Measure, Model, Probe, discover
from ...model.discover import unwrap
from ...model.pipeline_components import list_components
from ...units import in_bytes
from ..compiled import Compiled
from ..program.program import check, refuse_unplannable, resolve, with_own_steps, with_point_memory
from ..survey.call_survey import survey, survey_method
from ..survey.film_survey import filmed
from .acts import Act, DryRun, largest
from .dry_run import dry_run
from .residency import offloaded, there_while, weights
from .stored_bytes import beside, branches, stored_paths, stored_sizes
from .survey_memo import find_once
from .work_flops import counted, work

FILMED = {"output_type": "pt"}
"""What a film's call asks a pipeline for."""


@dataclass(frozen=True)
class Planned(Displayed):
    """A memory plan for one call of a pipeline, and what it was made from.

    Attributes:
        footprint: what the call holds, and what could be done about it.
        steps: number of denoising steps.
        as_it_is: the plan that changes nothing.
        plan: the plan for the budget.
    """

    footprint: Footprint
    steps: int
    as_it_is: MemoryPlan
    plan: MemoryPlan

    def timeline(self) -> list[Moment]:
        """Return what the plan holds from stage to stage and step to step."""
        return timeline(self.footprint, self.plan, self.steps)

    def __str__(self) -> str:
        return plan_text(self.plan, self.as_it_is)


def plan_memory(
    pipe: Any,
    call: Mapping[str, Any],
    what: Any = "none",
    budget: int | float | str | None = None,
    *,
    machine: Machine = USUAL,
    offload: bool = True,
    storage: str | None = None,
    film: bool = False,
) -> Planned:
    """Plan the memory of a pipeline's call: what it would hold, and how it can hold less; nothing is computed.

    Args:
        pipe: a diffusers pipeline; its weights may be on the meta device, as of one that was built from its config.
        call: arguments of the pipeline's call.
        what: a schedule, a point of a front, a policy or its spec, as `evocache.apply` takes it.
        budget: bytes that the generation may hold on its device, weights included, such as `"8GB"`; None if there is
            no limit but what a point of a front brings along.
        machine: what moves and launches cost.
        offload: whether components may leave the device in stages that do not need them.
        storage: the coding that features are stored in, as `evocache.apply` takes it; a point's own when not given.
        film: whether the call is `Handle.film`, which shows frames as they are decoded.

    Raises:
        AmountError: if the budget is no number of bytes.
        BudgetError: if the call cannot be made to fit; it says by how many bytes.
        PipelineError: if it is no pipeline, or refuses the call.
        PolicyError, ScheduleError: as `evocache.apply` does.

    >>> planned = evocache.plan_memory(pipe, {"prompt": "a red fox", "num_inference_steps": 2}, "fora:2", "1GB")
    >>> planned.plan.peak < 1e9
    True
    >>> planned.steps
    2
    """
    budget, storage = with_point_memory(what, budget, storage)
    most, stored = None if budget is None else in_bytes(budget), check_coding(storage or "none")
    model, program = discover(pipe), resolve(what)
    check(program, model)
    given = with_own_steps(program, type(pipe).__call__, (pipe,), {**call, **(FILMED if film else {})})
    return plan_call(
        pipe,
        Compiled(model, program),
        most,
        (),
        given,
        machine=machine,
        offload=offload,
        storage=stored,
        film=film,
    )


def plan_call(
    pipe: Any,
    compiled: Compiled,
    budget: int | None,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    machine: Machine = USUAL,
    offload: bool = False,
    storage: str = "none",
    cls: type | None = None,
    workspace: Workspace | None = None,
    film: bool = False,
) -> Planned:
    """Plan the memory of one call of a pipeline.

    Args:
        pipe: the pipeline.
        compiled: its denoisers and what is applied to them.
        budget: bytes that it may hold on its device, weights included; None if there is no limit.
        args: positional arguments of the call.
        kwargs: keyword arguments of the call.
        machine: what moves and launches cost.
        offload: whether components may leave the device in stages that do not need them.
        storage: the coding that features are stored in.
        cls: the class whose `__call__` is meant; the pipeline's own when not given.
        workspace: what operations hold while they run on the device, where that is to be counted.
        film: whether frames are shown as they are decoded.

    Raises:
        BudgetError: if it cannot be made to fit.
        PipelineError: if the pipeline refuses the call.
    """
    refuse_unplannable(compiled.program, compiled.model)
    seen = dry_run(pipe, compiled.model, args, kwargs, cls, workspace, film)
    return plan_seen_call(pipe, compiled, budget, seen, machine=machine, offload=offload, storage=storage)


def plan_seen_call(
    pipe: Any,
    compiled: Compiled,
    budget: int | None,
    seen: DryRun,
    *,
    machine: Machine = USUAL,
    offload: bool = False,
    storage: str = "none",
) -> Planned:
    """Plan the memory of a call that was followed by a dry run; arguments as those of `plan_call`.

    Raises:
        BudgetError: if it cannot be made to fit.
    """
    found = footprint(pipe, compiled, seen, storage=storage)
    as_it_is = plan(found, None)
    if budget is None or as_it_is.peak <= budget:
        return Planned(found, seen.steps, as_it_is, replace(as_it_is, budget=budget))
    found = detailed(found, pipe, compiled, seen)
    return Planned(found, seen.steps, as_it_is, plan(found, budget, machine, offload=offload))


def footprint(pipe: Any, compiled: Compiled, seen: DryRun, *, storage: str = "none") -> Footprint:
    """Return what a generation holds as it is, from a dry run of it.

    Args:
        pipe: the pipeline.
        compiled: its denoisers and what is applied to them.
        seen: the dry run.
        storage: the coding that features are stored in.
    """
    acts, floors = seen.acts, seen.floors
    features = dict(stored_sizes(compiled, seen, storage))
    extra, theirs = beside(compiled, seen, features, storage), offloaded(pipe)
    present = there_while(pipe, acts) if theirs else {stage: _names(called) for stage, called in acts.items()}
    return Footprint(
        weights=weights(pipe),
        held=0,
        encode=_stage(acts["encode"], floors["encode"], present["encode"]),
        denoise={
            act.name: CallPrint(max(act.peak, floors["denoise"]), ()).above(extra)
            for act in _largest_of_each(acts["denoise"])
        },
        decode=_decode(pipe, seen, present["decode"])
        if seen.film
        else _stage(acts["decode"], floors["decode"], present["decode"]),
        denoising=present["denoise"],
        calls=len(acts["denoise"]),
        offloaded=theirs,
        offloadable=tuple(find_offloadable(pipe)),
        branches=tuple(branches(compiled, seen, features)),
        features=features,
        storage=storage,
        beside=extra,
    )


def detailed(found: Footprint, pipe: Any, compiled: Compiled, seen: DryRun) -> Footprint:
    """Return a footprint with what could be run in slices, denoisers and decoding, and what features hide behind."""
    floor = seen.floors["denoise"] + found.beside
    surveyed = {
        act.name: _surveyed(compiled.model[act.name], act, seen.workspace)
        .sparing(*stored_paths(compiled.schedule(seen.steps).tree, found.features.get(act.name, ())))
        .above(act.held + found.beside)
        .at_least(floor)
        for act in _largest_of_each(seen.acts["denoise"])
        if act.tick is not None
    }
    decode = _decode(pipe, seen, found.decode.weights)
    computed = _work(compiled, seen) if found.branches else 0.0
    return replace(found, denoise={**found.denoise, **surveyed}, decode=decode, work=computed)


def _work(compiled: Compiled, seen: DryRun) -> float:
    """Floating-point operations of all denoiser calls under what is applied."""
    own = operations(compiled.model, seen)
    starts: dict[str, list[int]] = {}
    for (name, _), start in seen.starts.items():
        starts.setdefault(name, []).append(start)
    schedule = compiled.schedule(seen.steps)
    return sum(work(own, schedule.of_denoiser(n), at, len(seen.calls(n))) for n, at in starts.items())


def operations(model: Model, seen: DryRun) -> dict[str, float]:
    """Floating-point operations of each component in the largest call of its denoiser, its parts not included."""
    found: dict[str, Measure] = {}
    for denoiser in model.denoisers:
        if acts := seen.calls(denoiser.name):
            found |= _counted(denoiser, largest(acts))
    return Probe(model, found).exclusive("flops")


def _counted(denoiser: Denoiser, act: Act) -> dict[str, Measure]:
    return find_once(denoiser.module, act, "work", lambda: counted(denoiser, act.args, act.kwargs))


def _surveyed(denoiser: Denoiser, act: Act, workspace: Workspace | None) -> CallPrint:
    """What a denoiser's call holds, and what each of its units would hold in slices."""
    return find_once(denoiser.module, act, workspace, lambda: survey(denoiser, act.args, act.kwargs, workspace))


def _stage(acts: list[Act], floor: int, present: tuple[str, ...]) -> Stage:
    """A stage as it is."""
    return Stage(present, (Choice({}, max([floor, *(act.peak for act in acts)]), 0),))


def _decode(pipe: Any, seen: DryRun, present: tuple[str, ...]) -> Stage:
    """Decoding: as it is, or in slices, each of which holds less and takes longer; of a film as it shows frames."""
    acts, floor, workspace = seen.acts["decode"], seen.floors["decode"], seen.workspace
    decodes = [act for act in acts if act.method == "decode"]
    if not decodes:
        return _stage(acts, floor, present)
    main = largest(decodes)
    least = max([floor, *(act.peak for act in acts if act.name != main.name)])
    held = max(act.held for act in decodes)
    module = unwrap(list_components(pipe)[main.name])

    def surveyed() -> list[Choice]:
        return survey_method(shadow(module), main.method, main.args, main.kwargs, workspace)

    found = find_once(module, main, workspace, surveyed)
    if seen.film:
        found = find_once(
            module, main, ("film", workspace), lambda: filmed(module, main.args, main.kwargs, found, workspace)
        )
    choices = [
        Choice({main.name: c.cuts[""]} if c.cuts else {}, max(least, held + c.surge), c.operations) for c in found
    ]
    return Stage(present, tuple(choices))


def _names(acts: Iterable[Act]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(act.name for act in acts))


def _largest_of_each(acts: Sequence[Act]) -> list[Act]:
    """Of the calls of each component, the one that holds most."""
    return [largest(act for act in acts if act.name == name) for name in _names(acts)]
