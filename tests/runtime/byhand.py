"""Caching written by hand, on the `forward` of instances: what the runtime is held against."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

Forward = Callable[..., Any]


class Steps:
    """The current denoiser call, from 0, for pipelines that call their denoiser once a step."""

    def __init__(self) -> None:
        self.now = -1


@contextmanager
def stepping(denoiser: torch.nn.Module) -> Iterator[Steps]:
    """Count the calls of a denoiser."""
    steps = Steps()
    forward = denoiser.forward

    def counting(*args: Any, **kwargs: Any) -> Any:
        steps.now += 1
        return forward(*args, **kwargs)

    counting.__signature__ = inspect.signature(forward)
    with replaced(denoiser, counting):
        yield steps


@contextmanager
def replaced(module: torch.nn.Module, forward: Forward) -> Iterator[None]:
    """Give one module another forward."""
    held = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        if held is None:
            del module.forward
        else:
            module.forward = held


def reusing(module: torch.nn.Module, steps: Steps, computed: set[int]) -> Any:
    """The module returns its last computed output, except at the steps given."""
    forward, last = module.forward, []

    def by_hand(*args: Any, **kwargs: Any) -> Any:
        if steps.now in computed:
            output = forward(*args, **kwargs)
            last[:] = [tuple(t.clone() for t in output) if isinstance(output, tuple) else output.clone()]
        return tuple(t.clone() for t in last[0]) if isinstance(last[0], tuple) else last[0].clone()

    return replaced(module, by_hand)


def forecasting(module: torch.nn.Module, steps: Steps, computed: set[int], order: int, gain: float) -> Any:
    """The module extrapolates from its last computed outputs, in double precision, as TaylorSeer's text says."""
    forward, known = module.forward, {}

    def by_hand(*args: Any, **kwargs: Any) -> torch.Tensor:
        if steps.now in computed:
            known[steps.now] = forward(*args, **kwargs)
            return known[steps.now]
        t = sorted(known, reverse=True)[: order + 1]
        f = [known[i].double() for i in t]
        ahead, change = steps.now - t[0], 0
        if len(t) > 1:
            slope = (f[0] - f[1]) / (t[0] - t[1])
            change = slope * ahead
        if len(t) > 2:
            curve = (slope - (f[1] - f[2]) / (t[1] - t[2])) / (t[0] - t[1])
            change = change + curve * ahead**2 / 2
        return (f[0] + gain * change).float()

    return replaced(module, by_hand)


def skipping(blocks: list[Any], streams: tuple[str, ...], steps: Steps, computed: set[int]) -> Any:
    """The blocks are passed by, except at the steps given, and what they added then to each stream is added."""
    first, last = blocks[0], blocks[-1]
    forwards = [block.forward for block in blocks]
    entered: dict[str, torch.Tensor] = {}
    residual: dict[str, torch.Tensor] = {}

    def named(index: int, args: Any, kwargs: Any) -> dict[str, torch.Tensor]:
        bound = inspect.signature(type(blocks[index]).forward).bind(None, *args, **kwargs).arguments
        return {name: bound[name] for name in streams}

    def make(index: int) -> Forward:
        block = blocks[index]

        def by_hand(*args: Any, **kwargs: Any) -> Any:
            inputs = named(index, args, kwargs)
            if steps.now in computed:
                if block is first:
                    entered.update(inputs)
                output = forwards[index](*args, **kwargs)
                if block is last:
                    leaving = output if isinstance(output, tuple) else (output,)
                    residual.update({n: o - entered[n] for n, o in zip(streams, leaving, strict=True)})
                return output
            leaving = tuple(inputs[n] + residual[n] if block is last else inputs[n] for n in streams)
            return leaving if len(streams) > 1 else leaving[0]

        return by_hand

    stack = ExitStack()
    for index, block in enumerate(blocks):
        stack.enter_context(replaced(block, make(index)))
    return stack
