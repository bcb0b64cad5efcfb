"""Modules that are one convolution with what it needs around it: slices meet before these, not within.

Such a module pads its input, or joins it to frames that it saw before, and so copies it. If slices met at the
convolution, all of them would hold their copies there. They meet where the module is called instead; it runs on one
slice after another, with as many rows of the neighbours as it reaches into, and what those rows give is cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from ...model.outputs import pack, unpack
from .convolutions import forget, gather
from .coupling_requests import Request, Uncoupled, axis_of


def one_convolution(module: nn.Module) -> nn.Conv3d | None:
    """Return the convolution that a module is, with what is done around it.

    None for a plain one, and for other modules.
    """
    found = [part for part in module.modules() if not isinstance(part, (nn.Dropout, nn.Identity))]
    kinds = [part for part in found if isinstance(part, nn.Conv3d)]
    around = len(found) > 1 or type(module).forward is not nn.Conv3d.forward
    if len(kinds) != 1 or not around or len(found) > 2 or {*kinds[0].stride[1:]} != {1}:
        return None
    return kinds[0] if [*map(id, module.parameters())] == [*map(id, kinds[0].parameters())] else None


def together(module: nn.Module, convolution: nn.Conv3d) -> None:
    """Let slices meet before a module of one convolution; only for a twin."""
    forward = module.forward

    def waiting(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return run_convolution_module(x, forward, convolution, args, kwargs)

    module.__dict__["forward"] = waiting


def run_convolution_module(
    x: torch.Tensor, forward: Any, convolution: nn.Conv3d, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Run a module's forward; within a slice, with what it reaches into of others."""
    if has_torch_function_unary(x):
        return handle_torch_function(run_convolution_module, (x,), x, forward, convolution, args, kwargs)
    return forward(x, *args, **kwargs)


def run_convolution_modules(requests: list[Request]) -> Iterator[Any]:
    """Run each slice with rows of its neighbours, without what comes of these."""
    forwards, convolution = [r.args[1] for r in requests], requests[0].args[2]
    given = [{**dict(enumerate((r.args[0], *r.args[3]))), **r.args[4]} for r in requests]
    requests.clear()
    axis = axis_of([g[0] for g in given])
    reach = 0
    if axis is not None and axis > 1:
        reach = convolution.dilation[axis - 2] * (convolution.weight.shape[axis] - 1)
    if axis is None or not reach:
        while given:
            yield _called(forwards.pop(0), given.pop(0))
        return
    if axis == 2:
        raise Uncoupled("frames of which a module keeps some")
    lengths = [g[0].shape[axis] for g in given]
    ends = list(accumulate(lengths))
    cut = [name for name in given[0] if all(_along(g.get(name), axis, n) for g, n in zip(given, lengths, strict=True))]
    parts = {name: [g.pop(name) for g in given] for name in cut}
    for length, end in zip(lengths, ends, strict=True):
        low, high = max(end - length - reach, 0), min(end + reach, ends[-1])
        around = {**given.pop(0), **{name: gather(part, ends, axis, low, high) for name, part in parts.items()}}
        for part in parts.values():
            forget(part, ends, axis, end - reach)
        whole = [_called(forwards.pop(0), around)]
        yield _middle(whole.pop(), axis, high - low, end - length - low, length)


def _called(forward: Any, given: dict[Any, Any]) -> Any:
    """A forward with arguments by place or name, which are let go."""
    count = sum(type(name) is int for name in given)
    args = [given.pop(i) for i in range(count)]
    return forward(*args, **given)


def _along(value: Any, axis: int, length: int) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > axis and value.shape[axis] == length


def _middle(output: Any, axis: int, total: int, first: int, length: int) -> Any:
    leaves, spec = unpack(output)
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, torch.Tensor):
            rate, rest = divmod(leaf.shape[axis], total) if leaf.ndim > axis else (0, 0)
            if rest or not rate:
                raise Uncoupled("a module that gives fewer rows than it is given")
            leaves[i] = leaf.narrow(axis, first * rate, length * rate)
    return pack(leaves, spec)
