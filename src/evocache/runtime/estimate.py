"""What a pipeline's call will hold: the footprint that a memory plan is made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from ..memory.footprint import CallPrint, Choice
from ..memory.planner import Branch, Footprint, Machine, MemoryPlan, Stage, plan
from ..memory.rehearse import shadow
from ..memory.survey import survey, survey_method
from ..memory.tape import uses
from ..model.discover import unwrapped
from .compiled import Compiled
from .dry import Act, DryRun, dry_run
from .features import feature_sizes


def plan_call(
    pipe: Any,
    compiled: Compiled,
    budget: int | None,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    machine: Machine = Machine(),
    offload: bool = False,
    cls: type | None = None,
) -> MemoryPlan:
    """The memory plan for one call of a pipeline.

    Args:
        pipe: the pipeline; its weights may be on the meta device.
        compiled: its denoisers and what is applied to them.
        budget: bytes that it may hold on its device, weights included; None asks what it holds as it is.
        args: positional arguments of the call.
        kwargs: keyword arguments of the call.
        machine: what moves and launches cost.
        offload: whether components may leave the device in stages that do not need them.
        cls: the class whose `__call__` is meant; the pipeline's own when not given.

    Raises:
        BudgetError: if it cannot be made to fit.
        PipelineError: if the pipeline refuses the call.
    """
    seen = dry_run(pipe, compiled.model, args, kwargs, cls)
    plain = footprint(pipe, compiled, seen)
    found = plan(plain, None)
    if budget is None or found.peak <= budget:
        return replace(found, budget=budget)
    return plan(footprint(pipe, compiled, seen, detail=True), budget, machine, offload=offload)


def footprint(pipe: Any, compiled: Compiled, seen: DryRun, *, detail: bool = False) -> Footprint:
    """What a generation holds, from a dry run of it.

    Args:
        pipe: the pipeline.
        compiled: its denoisers and what is applied to them.
        seen: the dry run.
        detail: whether to find out what could be run in slices.
    """
    acts = seen.acts
    features = dict(_features(compiled, seen))
    calls = {name: _largest(act for act in acts["denoise"] if act.name == name) for name in _names(acts["denoise"])}
    return Footprint(
        weights=weights(pipe),
        held=0,
        encode=_stage(acts["encode"], seen.floors["encode"]),
        denoise={name: _print(compiled, act, seen.floors["denoise"], detail) for name, act in calls.items()},
        decode=_decode(pipe, acts["decode"], seen.floors["decode"], detail),
        calls=len(acts["denoise"]),
        seconds=0.0,
        branches=tuple(_branches(compiled, seen, features)),
        features=features,
    )


def weights(pipe: Any) -> dict[str, int]:
    """Bytes of each component's weights and buffers; what two components share counts for the first."""
    known: set[int] = set()
    out: dict[str, int] = {}
    for name, module in pipe.components.items():
        if not isinstance(module, nn.Module):
            continue
        own = {}
        for tensor in (*module.parameters(), *module.buffers()):
            storage = tensor.untyped_storage()
            if storage._cdata not in known:
                own[storage._cdata] = storage.nbytes()
        known |= own.keys()
        out[name] = sum(own.values())
    return out


def _features(compiled: Compiled, seen: DryRun) -> Iterator[tuple[str, dict[str, int]]]:
    """For each denoiser, bytes of what it stores, in order of execution."""
    for denoiser in compiled.model.denoisers:
        acts = [act for act in seen.acts["denoise"] if act.name == denoiser.name and act.tick is not None]
        if acts:
            act, start = _largest(acts), min(act.tick.step for act in acts if act.tick is not None)
            plan, _ = compiled.plan(denoiser, seen.steps, start)
            yield denoiser.name, feature_sizes(denoiser, plan, act.args, act.kwargs)


def _branches(compiled: Compiled, seen: DryRun, features: Mapping[str, Mapping[str, int]]) -> Iterator[Branch]:
    """For each branch of each denoiser, what it stores and when it uses it."""
    starts: dict[tuple[str, int], int] = {}
    for act in seen.acts["denoise"]:
        if act.tick is not None:
            starts.setdefault((act.name, act.tick.branch), act.tick.step)
    known: dict[tuple[str, int], Branch] = {}  # branches that are entered at one step use their features alike
    for (name, _), start in starts.items():
        plan, _modules = compiled.plan(compiled.model[name], seen.steps, start)
        if plan.touched and (name, start) not in known:
            used = uses(plan.schedule, features[name], tuple(features[name]))
            known[name, start] = Branch(used.lives, used.events[:, 0].tolist())
        if plan.touched:
            yield known[name, start]


def _print(compiled: Compiled, act: Act, floor: int, detail: bool) -> CallPrint:
    """One call of a component in the denoising loop."""
    denoisers = {d.name: d for d in compiled.model.denoisers}
    if detail and act.name in denoisers:
        found = survey(denoisers[act.name], act.args, act.kwargs).above(act.held)
    else:
        found = CallPrint(act.peak, ())
    return replace(found, floor=max(found.floor, floor))


def _stage(acts: list[Act], floor: int) -> Stage:
    """A stage as it is."""
    return Stage(_names(acts), (Choice({}, max([floor, *(act.peak for act in acts)]), 0),))


def _decode(pipe: Any, acts: list[Act], floor: int, detail: bool) -> Stage:
    """Decoding: as it is, or in slices, each of which holds less and takes longer."""
    decodes = [act for act in acts if act.method == "decode"]
    if not detail or not decodes:
        return _stage(acts, floor)
    main = _largest(decodes)
    least = max([floor, *(act.peak for act in acts if act.name != main.name)])
    held = max(act.held for act in decodes)
    module = shadow(unwrapped(pipe.components[main.name]))
    found = survey_method(module, main.method, main.args, main.kwargs)
    choices = [
        Choice({main.name: c.cuts[""]} if c.cuts else {}, max(least, held + c.surge), c.operations) for c in found
    ]
    return Stage(_names(acts), tuple(choices))


def _names(acts: Iterable[Act]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(act.name for act in acts))


def _largest(acts: Iterable[Act]) -> Act:
    return max(acts, key=lambda act: act.peak)
