"""What a run of a pipeline does, seen from outside: each denoiser call, when it came, and the layers that ran in it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import SchedulerMixin
from torch import nn

from evocache.model import Model
from evocache.model.pipeline_components import list_components

STEPS = ("step", "step_pred", "batch_step_no_noise")
"""Methods by which schedulers step."""


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
        layers: how often each layer ran, and in which groups of watched modules.
    """

    denoiser: str
    passed: int
    step: int
    past: bool
    branch: int
    shape: tuple[int, ...]
    layers: Counter[tuple[str, frozenset[str]]] = field(default_factory=Counter)

    def ran(self, group: str, *, within: bool) -> dict[str, int]:
        """How often each layer ran within modules of a group, or elsewhere."""
        out: Counter[str] = Counter()
        for (path, groups), count in self.layers.items():
            out[path] += count if (group in groups) == within else 0
        return dict(+out)


class Watch:
    """Follows a run."""

    def __init__(self, steps: tuple[int, ...]) -> None:
        self.steps = steps
        self.calls: list[Call] = []
        self.passed = 0
        self.total = 0
        self.running = 0
        self.begin()

    def begin(self) -> None:
        """A pass over timesteps begins."""
        self.step, self.moved = -1, True
        self.branches: Counter[str] = Counter()
        self.inside: Counter[str] = Counter()

    def timesteps_set(self, scheduler: Any) -> None:
        """A scheduler was given its timesteps."""
        self.total = len(scheduler.timesteps)
        self.passed += 1
        self.begin()

    def stepped(self, _: Any) -> None:
        """A scheduler makes a step."""
        self.moved = True

    def called(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """A denoiser is called."""
        values = [*args, *kwargs.values()]
        step = self.steps[len(self.calls)] if self.steps else self.step + self.moved
        if step != self.step:
            self.step = step
            self.branches.clear()
        self.moved = False
        shape = next((tuple(t.shape) for v in values for t in _first(v) if t.ndim > 1), ())
        self.calls.append(Call(name, self.passed, self.step, 0 < self.total <= self.step, self.branches[name], shape))
        self.branches[name] += 1
        self.running += 1

    def returned(self, *_: Any) -> None:
        """A denoiser has returned."""
        self.running -= 1

    def layer(self, path: str) -> Callable[..., None]:
        """A hook that counts a layer while a denoiser runs: ControlNets call layers that they share, too."""

        def count(*_: Any) -> None:
            if not self.running:
                return
            self.calls[-1].layers[path, frozenset(+self.inside)] += 1

        return count

    def within(self, group: str, by: int) -> Callable[..., None]:
        """A hook that notes that a module of a group is called, or has returned."""

        def move(*_: Any) -> None:
            self.inside[group] += by

        return move


def _first(value: Any) -> list[torch.Tensor]:
    """Tensors that an argument is, or holds."""
    return [t for t in (value if isinstance(value, (list, tuple)) else (value,)) if isinstance(t, torch.Tensor)]


@contextmanager
def watched(
    pipe: Any, model: Model, groups: Mapping[str, list[nn.Module]], steps: tuple[int, ...] = ()
) -> Iterator[Watch]:
    """Follow a run by hooks on modules, and by wrapping methods of schedulers' classes; nothing of it stays.

    Some pipelines copy their scheduler, for each frame, and use the copies.
    """
    watch = Watch(steps)
    hooks: list[Any] = []
    schedulers = {type(s) for s in list_components(pipe).values() if isinstance(s, SchedulerMixin)}
    named = [(c, name) for c in schedulers for name in ("set_timesteps", *STEPS) if hasattr(c, name)]
    methods = {(c, name): getattr(c, name) for c, name in named}
    own = {place for place in methods if place[1] in vars(place[0])}
    for (c, name), method in methods.items():
        setattr(c, name, _then(method, watch.timesteps_set if name == "set_timesteps" else watch.stepped))
    for group, parts in groups.items():
        for module in parts:
            hooks.append(module.register_forward_pre_hook(watch.within(group, 1)))
            hooks.append(module.register_forward_hook(watch.within(group, -1)))
    for denoiser in model.denoisers:
        called = functools.partial(lambda name, _, args, kwargs: watch.called(name, args, kwargs), denoiser.name)
        hooks.append(denoiser.module.register_forward_pre_hook(called, with_kwargs=True, prepend=True))
        hooks.append(denoiser.module.register_forward_hook(watch.returned))
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


def computed(watch: Watch, late: int, anew: tuple[int, ...] = ()) -> list[bool]:
    """Which calls compute everything if every second step does: the even steps, where a branch begins or inner
    shapes change, and what comes after the last timestep.
    """
    before: dict[tuple[str, int], Call] = {}
    out = []
    for number, call in enumerate(watch.calls):
        key = call.denoiser, call.branch
        earlier = before.get(key)
        if earlier is not None and earlier.shape != call.shape:  # another branch, if one of the step before fits
            alike = [c for c in before.values() if (c.denoiser, c.shape) == (call.denoiser, call.shape)]
            earlier = next((c for c in alike if c.step == call.step - 1), earlier)
        goes_on = (
            earlier is not None
            and (earlier.passed, earlier.shape) == (call.passed, call.shape)
            and call.step - earlier.step == 1
        )
        out.append(not goes_on or number in anew or call.past or (late + call.step) % 2 == 0)
        before[key] = call
    return out
