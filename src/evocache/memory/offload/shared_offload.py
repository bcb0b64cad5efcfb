"""Offloading that calls share: those that are open at once have the same components away, or some is refused.

Components may belong to several pipelines (shallow copies, `from_pipe`), whose calls may be open at once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ...errors import GenerationError, PipelineError
from ...model.pipeline_components import list_modules
from .stage_offload import ComponentUse, Offload, Summons, find_offloadable, is_any_away, offload_lock

_open: list[ComponentUse] = []
"""The uses of all calls that are open, in the order in which they began."""

_under: dict[ComponentUse, list[Offload]] = {}
"""What each of them began under."""

_kept: weakref.WeakSet[Offload] = weakref.WeakSet()
"""All that was kept for somebody between calls, as long as it is there."""


def offloads_of(pipe: Any) -> list[Offload]:
    """Return what keeps components of a pipeline off its device at the moment; nothing if all are there."""
    return _offloads_on(list_modules(pipe)) if is_any_away() else []


def _offloads_on(modules: Mapping[str, nn.Module]) -> list[Offload]:
    hooks = (getattr(module, "_hf_hook", None) for module in modules.values())
    return list(dict.fromkeys(hook.offload for hook in hooks if isinstance(hook, Summons)))


def begin_use(
    pipe: Any,
    stages: Mapping[str, Sequence[str]],
    device: Callable[[], torch.device],
    *,
    keeper: object,
    callers: Callable[[], Sequence[ComponentUse]],
) -> ComponentUse:
    """Begin a call of a pipeline under the offloading that it was planned with.

    Where components are offloaded already, be it for another pipeline that shares them:

    - A call that needs no offloading runs under that which is there, since what it calls comes to the device. What was
      kept for the same keeper alone ends; what others keep, or open calls use, stays as it is.
    - A call that needs the same offloading shares it.
    - A call that needs another one is refused while calls are open that use the same components, or any component that
      is offloaded together with them. Otherwise its own takes the place of that which is there. What others kept there
      takes the place again with the next call that needs it, and not before: nothing moves because another one ends.

    Args:
        pipe: the pipeline.
        stages: names of the stages in which components are to be on the device, by component; others stay.
        device: where the pipeline computes; asked if something is to leave it.
        keeper: what the offloading is kept for when the call is over, until `release`.
        callers: the uses of the open calls that a calling stack is part of, the innermost first.

    Raises:
        GenerationError: if calls that use the same components are open under another offloading.
        PipelineError: if one that is to leave is not there, or cannot.
    """
    modules = list_modules(pipe)
    with offload_lock:
        found = _offloads_on(modules)
        kept = [one for one in _kept if keeper in one.keepers]
        if stages:
            if not (len(found) == 1 and found[0].keeps(modules, stages)):
                if _in_use(modules, found):
                    raise _refusal(found, stages)
                check_offload(pipe, stages)
                found = [_replace(found, modules, stages, device(), callers)]
            found[0].keepers.add(keeper)
            _kept.add(found[0])
        for former in kept:  # of another plan, or of components that were exchanged meanwhile
            if not stages or former not in found:
                former.keepers.discard(keeper)
                _settle(former)
        use = ComponentUse([*modules.values()])
        _open.append(use)
        _under[use] = found if stages else _offloads_on(modules)
        for offload in _under[use]:
            offload.uses.append(use)
        return use


def end_use(use: ComponentUse) -> None:
    """End what `begin_use` began: with the last call all components leave, or come back for good if none keeps them.

    That holds for those that the call began with, also where the pipeline has others meanwhile.
    """
    with offload_lock:
        _open.remove(use)
        for offload in _under.pop(use):
            offload.uses.remove(use)
            _settle(offload)


def release(pipe: Any, keeper: object) -> None:
    """Keep nothing away for a keeper any longer; what others keep, or calls use that are open, stays as it is."""
    with offload_lock:
        kept = [one for one in _kept if keeper in one.keepers]
        for offload in dict.fromkeys([*offloads_of(pipe), *kept]):
            offload.keepers.discard(keeper)
            _settle(offload)


def check_offload(pipe: Any, stages: Mapping[str, Sequence[str]]) -> Mapping[str, nn.Module]:
    """Return the components of a pipeline that can leave the device; none if none is to.

    Raises:
        PipelineError: if one that is to leave is not there, or cannot.
    """
    able = find_offloadable(pipe) if stages else {}
    missing = sorted(stages.keys() - able.keys())
    if missing:
        given = f"a memory plan in which {', '.join(missing)} leave the device"
        raise PipelineError(given, f"components that can: {', '.join(able) or 'none'}", "plan it for this pipeline")
    return able


def _in_use(modules: Mapping[str, nn.Module], found: Sequence[Offload]) -> bool:
    """Return whether open calls use some modules, or are under one of the offloads that were found on them."""
    ids = set(map(id, modules.values()))
    return any(one.uses for one in found) or any(not ids.isdisjoint(map(id, use.modules)) for use in _open)


def _replace(
    formers: Sequence[Offload],
    modules: Mapping[str, nn.Module],
    stages: Mapping[str, Sequence[str]],
    device: torch.device,
    callers: Callable[[], Sequence[ComponentUse]],
) -> Offload:
    """Offload modules in the place of what offloads some of them so far. If that cannot be had, all is as before."""
    suspended: list[Offload] = []
    try:
        for former in formers:
            former.suspend()
            suspended.append(former)
        made = Offload({name: modules[name] for name in stages}, stages, device, callers)
    except BaseException:
        for former in suspended:
            former.resume()
        raise
    for former in formers:
        former.remove()
    return made


def _settle(offload: Offload) -> None:
    """Do what happens between calls: all components leave, or if none keeps them away, come back for good."""
    if offload.uses:
        return
    if offload.keepers:
        offload.rest()
    else:
        offload.remove()


def _refusal(found: Sequence[Offload], stages: Mapping[str, Sequence[str]]) -> GenerationError:
    """The error for a call that needs another offloading than calls that are open."""
    now = _describe(found[0].stages) if found else "keep all of them on the device"
    return GenerationError(
        f"a call that is planned to {_describe(stages)}, while calls that use the same components are open and {now}",
        "calls that are open at once to keep the same components off the device",
        "wait until the others have ended, give all of them one memory plan, or a budget that needs no offloading",
    )


def _describe(stages: Mapping[str, Sequence[str]]) -> str:
    parts = (f"{name} ({', '.join(found) or 'no stage'})" for name, found in stages.items())
    return f"have components on the device in some stages only: {', '.join(parts)}"
