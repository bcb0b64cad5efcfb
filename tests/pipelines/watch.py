"""What a run of a pipeline does, seen from outside: each denoiser call, when it came, and the layers that ran in it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from evocache.model import Model


@dataclass
class Call:
    """A call of a denoiser.

    Attributes:
        denoiser: its name.
        passed: how often timesteps had been set.
        step: steps since then.
        past: whether there were more steps than the scheduler has timesteps.
        branch: number of the call within the step.
        shape: shape of the latents.
        within: how often each layer ran in watched modules.
        around: how often each layer ran elsewhere.
    """

    denoiser: str
    passed: int
    step: int
    past: bool
    branch: int
    shape: tuple[int, ...]
    within: Counter[str] = field(default_factory=Counter)
    around: Counter[str] = field(default_factory=Counter)


class Watch:
    """Follows a run."""

    def __init__(self, views: int, solves: bool) -> None:
        self.views = views
        self.solves = solves
        self.calls: list[Call] = []
        self.passed = 0
        self.total = 0
        self.begin()

    def begin(self) -> None:
        """A pass over timesteps begins."""
        self.step, self.moved, self.time = -1, True, None
        self.asked = 0
        self.branches: Counter[str] = Counter()
        self.depth = 0

    def timesteps_set(self, scheduler: Any) -> None:
        """A scheduler was given its timesteps."""
        self.total = len(scheduler.timesteps)
        self.passed += 1
        self.begin()

    def stepped(self, _: Any) -> None:
        """A scheduler makes a step."""
        self.asked += 1
        self.moved = self.moved or (self.asked >= self.views and not self.solves)

    def called(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """A denoiser is called."""
        values = [*args, *kwargs.values()]
        if self.solves:
            time = float(kwargs.get("timestep", args[1] if len(args) > 1 else 0.0).flatten()[0])
            self.moved, self.time = self.moved or time != self.time, time
        if self.moved:
            self.step, self.moved, self.asked = self.step + 1, False, 0
            self.branches.clear()
        shape = next((tuple(t.shape) for v in values for t in _first(v) if t.ndim > 1), ())
        self.calls.append(Call(name, self.passed, self.step, self.step >= self.total, self.branches[name], shape))
        self.branches[name] += 1

    def layer(self, path: str) -> Callable[..., None]:
        """A hook that counts a layer."""

        def count(*_: Any) -> None:
            call = self.calls[-1]
            (call.within if self.depth else call.around)[path] += 1

        return count

    def enter(self, *_: Any) -> None:
        """A watched module is called."""
        self.depth += 1

    def leave(self, *_: Any) -> None:
        """A watched module has returned."""
        self.depth -= 1


def _first(value: Any) -> list[torch.Tensor]:
    """Tensors that an argument is, or holds."""
    return [t for t in (value if isinstance(value, (list, tuple)) else (value,)) if isinstance(t, torch.Tensor)]


@contextmanager
def watched(
    pipe: Any, model: Model, parts: list[nn.Module], views: int = 1, solves: bool = False
) -> Iterator[Watch]:
    """Follow a run by hooks on modules, and by wrapping methods of schedulers' classes; nothing of it stays.

    Some pipelines copy their scheduler, for each frame, and use the copies.
    """
    watch = Watch(views, solves)
    hooks: list[Any] = []
    schedulers = {type(s) for s in pipe.components.values() if hasattr(s, "set_timesteps") and hasattr(s, "step")}
    methods = {(c, name): getattr(c, name) for c in schedulers for name in ("set_timesteps", "step")}
    own = {place for place in methods if place[1] in vars(place[0])}
    for (c, name), method in methods.items():
        setattr(c, name, _then(method, watch.stepped if name == "step" else watch.timesteps_set))
    for module in parts:
        hooks.append(module.register_forward_pre_hook(watch.enter))
        hooks.append(module.register_forward_hook(watch.leave))
    for denoiser in model.denoisers:
        called = functools.partial(lambda name, _, args, kwargs: watch.called(name, args, kwargs), denoiser.name)
        hooks.append(denoiser.module.register_forward_pre_hook(called, with_kwargs=True, prepend=True))
        for path, module in denoiser.module.named_modules():
            if next(module.parameters(recurse=False), None) is not None:
                hooks.append(module.register_forward_pre_hook(watch.layer(path)))
    try:
        yield watch
    finally:
        for hook in hooks:
            hook.remove()
        for (c, name), method in methods.items():
            setattr(c, name, method) if (c, name) in own else delattr(c, name)


def _then(method: Callable[..., Any], event: Callable[[Any], None]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        event(self)
        return result

    return wrapped


def computed(watch: Watch, late: int) -> list[bool]:
    """Which calls compute everything if every second step does: the even steps, where a branch begins, and
    what comes after the last timestep.
    """
    before: dict[tuple[str, int], Call] = {}
    out = []
    for call in watch.calls:
        key = call.denoiser, call.branch
        earlier = before.get(key)
        goes_on = (
            earlier is not None
            and (earlier.passed, earlier.shape) == (call.passed, call.shape)
            and call.step - earlier.step == 1
        )
        out.append(not goes_on or call.past or (late + call.step) % 2 == 0)
        before[key] = call
    return out
