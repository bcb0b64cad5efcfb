"""Which modules are observed while a generation runs, so that they have to be computed.

A host or a user looks at what a denoiser's modules do in three ways: by an attention processor that keeps something, by
a hook, or by a `forward` of a module's own. Hooks and forwards that were there before the generation see what is
computed; those that it brings are meant to see every call.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import nn
from torch.utils.hooks import RemovableHandle

from ...model.kinds import list_modules
from .side_effects import fillable, may_keep
from .snapshot import COMPILED

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
"""Where a module has its hooks, by number: torch numbers all hooks of the process as they are registered."""

_MACHINERY = ("torch", "accelerate", "diffusers", "peft", "evocache")
"""Packages that put hooks and forwards on modules to move or convert them; what pipelines put there is none of it."""

_PIPELINES = "diffusers.pipelines."

_MODELS = "diffusers.models."

_ARGUMENTS = "attention_kwargs"
"""How names of arguments end that denoisers hand on to attention processors."""


class Observed(NamedTuple):
    """A module that is observed.

    Attributes:
        path: where it is in the denoiser.
        how: how it is observed, in words.
    """

    path: str
    how: str


GRADIENTS = Observed("", "since gradients may be taken through it (torch.no_grad() says that none are)")
"""Of a call under which gradients are recorded everything is observed: they depend on all that computes."""


class Observers:
    """The observed modules of one denoiser.

    Each call looks whether anything has changed since the last one; only then modules are looked at one by one.

    Args:
        denoiser: the denoiser.
        since: number of the first hook that may be registered in the generation.

    Attributes:
        found: what is observed, by the module's id.
        version: changes with it.
    """

    def __init__(self, denoiser: nn.Module, since: int) -> None:
        self._denoiser = denoiser
        self._modules = list_modules(denoiser)
        self._places = [module.__dict__ for module in self._modules]
        self._forwards = {id(m): m.__dict__["forward"] for m in self._modules if "forward" in m.__dict__}
        self._since = since
        self._known: dict[int, tuple[Any, bool]] = {}
        self._handed = False
        self.found: dict[int, Observed] = {}
        self.version = 0
        self._look()

    def look(self, kwargs: Mapping[str, Any]) -> bool:
        """Look before a denoiser call with these named arguments; whether something is observed."""
        handed = bool(self._foreign) and (self._handed or _hands(kwargs))
        if (
            RemovableHandle.next_id != self._hooks
            or sum(map(len, self._places)) != self._attributes
            or handed != self._handed
            or list(map(dict.get, self._in, self._names)) != self._values
        ):
            self._handed = handed
            self._look()
        return bool(self.found)

    def within(self, paths: Iterable[str]) -> Observed | None:
        """Return what is observed in one of the modules at some paths; None if nothing is."""
        inside = tuple(f"{path}." for path in paths)
        return next((seen for seen in self.found.values() if f"{seen.path}.".startswith(inside)), None)

    def _look(self) -> None:
        self._hooks = RemovableHandle.next_id
        self._attributes = sum(map(len, self._places))
        self._in: list[dict[Any, Any]] = []
        self._names: list[Any] = []
        self._values: list[Any] = []
        self._foreign: list[Any] = []
        before = self.found
        hows = {
            id(module): how
            for module, own in zip(self._modules, self._places, strict=True)
            if _may_show(own) and (how := self._how(module)) is not None
        }
        paths = {id(module): path for path, module in self._denoiser.named_modules()} if hows else {}
        self.found = {id_: Observed(paths.get(id_, ""), how) for id_, how in hows.items()}
        self.version += before != self.found

    def _hold(self, place: dict[Any, Any], name: Any) -> Any:
        """An entry of a dictionary, to be compared at the next look."""
        self._in.append(place)
        self._names.append(name)
        self._values.append(place[name])
        return place[name]

    def _how(self, module: nn.Module) -> str | None:
        """How a module is observed; None if it is not."""
        how, own = None, module.__dict__
        for hooks in filter(None, map(own.get, HOOKS)):
            for number in [n for n in hooks if n >= self._since]:
                if not _is_machinery(self._hold(hooks, number)):
                    how = "by a hook"
        if "forward" in own:
            forward = self._hold(own, "forward")
            if forward is not self._forwards.get(id(module)) and not _is_moved(own):
                how = "by a forward of its own"
        place = own if "processor" in own else module._modules
        if place.get("processor") is not None and self._keeps(self._hold(place, "processor")):
            how = "by its attention processor"
        return how

    def _keeps(self, processor: Any) -> bool:
        if type(processor).__module__.startswith(_MODELS):
            return False
        self._foreign.append(processor)
        if id(processor) not in self._known:
            self._known[id(processor)] = processor, may_keep(processor)
        return self._handed or self._known[id(processor)][1]


def _may_show(own: Mapping[str, Any]) -> bool:
    """Whether something is on a module that it may be observed by; on most there is nothing."""
    hooks = own.get(HOOKS[0]) or own.get(HOOKS[1]) or own.get(HOOKS[2]) or own.get(HOOKS[3])
    return bool(hooks) or "forward" in own or "processor" in own or "processor" in own.get("_modules", _NOTHING)


_NOTHING: Mapping[str, Any] = {}


def _hands(kwargs: Mapping[str, Any]) -> bool:
    """Whether a denoiser call hands something to attention processors that they can fill."""
    handed = [value for name, value in kwargs.items() if name.endswith(_ARGUMENTS) and isinstance(value, Mapping)]
    return any(fillable(value) for values in handed for value in values.values())


def _is_machinery(hook: Any) -> bool:
    """Whether a function or an object is one of those that move modules, or convert what they are given."""
    while isinstance(hook, functools.partial):
        hook = hook.func
    named = hook if isinstance(hook, (types.FunctionType, types.MethodType)) else type(hook)
    name = str(named.__module__)
    return name.partition(".")[0] in _MACHINERY and not name.startswith(_PIPELINES)


def _is_moved(own: Mapping[str, Any]) -> bool:
    """Whether a module's own `forward` is there since it is offloaded, converted or compiled."""
    if hasattr(own["forward"], COMPILED) and not getattr(own["forward"], "_torchdynamo_disable", False):
        return True
    hooks = getattr(own.get("_diffusers_hook"), "hooks", {})
    found = [*hooks.values(), *([own["_hf_hook"]] if "_hf_hook" in own else [])]
    return bool(found) and all(map(_is_machinery, found))
