"""The rehearsal: a call on the meta device, to see what it would hold, without holding or computing it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_iter, tree_map

from ..ledger import Extent, Ledger
from .fake_operations import Fakes
from .known_constants import unmask
from .meta_overrides import HiddenMetaDevice, MetaOverrides


@dataclass
class Use:
    """One call of a watched module.

    Attributes:
        module: the module.
        args: positional arguments, tensors on the meta device.
        kwargs: keyword arguments, likewise.
        extent: bytes alive around and during the call.
        operations: number of operations that it consists of.
    """

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    extent: Extent
    operations: int = 0


@dataclass
class Rehearsal:
    """What a call would hold, in bytes, its inputs included and the module's weights not.

    Attributes:
        whole: the call.
        floor: most bytes alive while none of the watched modules ran.
        uses: calls of the watched modules, in order.
        output: what the call returns, on the meta device.
        operations: number of operations that it consists of.
    """

    whole: Extent
    floor: int = 0
    uses: list[Use] = field(default_factory=list)
    output: Any = None
    operations: int = 0


def shadow(value: Any) -> Any:
    """Copy a module, or nested arguments, with all tensors on the meta device."""
    with _disable_current_modes():
        if isinstance(value, nn.Module):
            copied = copy.deepcopy(value, {id(t): _meta(t) for t in _tensors(value)})
            for part in copied.modules():
                _unhook(part)
            return copied
        return tree_map(lambda leaf: _meta(leaf) if isinstance(leaf, torch.Tensor) else leaf, value)


def outline(size: torch.Size, dtype: torch.dtype) -> torch.Tensor:
    """Return a tensor of a shape and type, nowhere, and of next to no bytes."""
    return torch.empty((), dtype=dtype, device="meta").expand(size)


MAKERS = ("torch.", "transformers.", "diffusers.", "peft.")
"""Packages whose hooks belong to a model."""


def _unhook(module: nn.Module) -> None:
    """Take what others hang on to a module's calls off a copy: it is not theirs, and moves no weights.

    Hooks of the libraries that models are made with stay: some models collect their outputs by them.
    """
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key, hook in list(hooks.items()):
            if not (getattr(hook, "__module__", None) or "").startswith(MAKERS):
                del hooks[key]
    if "_hf_hook" in module.__dict__:
        module.__dict__.pop("forward", None)
        module.__dict__.pop("_hf_hook")
        module.__dict__.pop("_old_forward", None)


def _meta(tensor: torch.Tensor) -> torch.Tensor:
    out = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
    return nn.Parameter(out, requires_grad=False) if isinstance(tensor, nn.Parameter) else out


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters, buffers, and tensors that modules merely hold."""
    yield from module.parameters()
    yield from module.buffers()
    for part in module.modules():
        held = {name: value for name, value in part.__dict__.items() if not name.startswith("_")}
        yield from (leaf for leaf in tree_iter(held) if isinstance(leaf, torch.Tensor))


def signature(args: Any, kwargs: Any) -> object:
    """Return what decides what a call holds: shapes and types of tensors, and all that is no tensor but floats."""
    leaves, spec = tree_flatten((args, dict(kwargs)))
    called = tuple(
        (tuple(v.shape), v.dtype) if isinstance(v, torch.Tensor) else float if isinstance(v, float) else repr(v)[:80]
        for v in leaves
    )
    return called, str(spec)


def rehearse(
    module: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    watched: Sequence[nn.Module] = (),
    call: Callable[..., Any] | None = None,
    fakes: Fakes | None = None,
) -> Rehearsal:
    """Follow one call of a module.

    Args:
        module: the shadow of a module.
        args: positional arguments; only shapes and types matter.
        kwargs: keyword arguments.
        watched: modules whose calls are followed one by one.
        call: what is called instead of the module itself.
        fakes: operations that were worked out before, and what they hold besides.
    """
    try:
        return _rehearsed(module, args, kwargs, watched, call or module, MetaOverrides(), fakes)
    except RuntimeError:  # some code does not know what to do on the meta device
        return _rehearsed(module, args, kwargs, watched, call or module, HiddenMetaDevice(), fakes)


def _rehearsed(
    module: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    watched: Sequence[nn.Module],
    call: Callable[..., Any],
    pretence: MetaOverrides,
    fakes: Fakes | None,
) -> Rehearsal:
    fakes = fakes or Fakes()
    ledger = Ledger(call=fakes, workspace=fakes.workspace)
    ledger.ignore(_tensors(module))
    args, kwargs = shadow(tuple(args)), shadow(dict(kwargs))
    unmask(kwargs)
    ledger.adopt(leaf for leaf in tree_iter((args, kwargs)) if isinstance(leaf, torch.Tensor))
    with torch.no_grad(), ledger, pretence:
        seen = Rehearsal(ledger.begin())
        with _followed(ledger, seen, watched):
            seen.output = call(*args, **kwargs)
        ledger.end(seen.whole)
    seen.operations = ledger.operations
    return seen


@contextmanager
def _followed(ledger: Ledger, seen: Rehearsal, watched: Sequence[nn.Module]) -> Iterator[None]:
    """Within the context, calls of the watched modules are noted; of one inside another, only the outer."""
    inside: list[Use] = []
    between = [ledger.begin()]

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not inside:
            ledger.end(between[-1])
            seen.floor = max(seen.floor, between[-1].peak)
        inside.append(Use(module, shadow(args), shadow(kwargs), ledger.begin(), ledger.operations))

    def after(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        use = inside.pop()
        ledger.end(use.extent)
        use.operations = ledger.operations - use.operations
        if not inside:
            seen.uses.append(use)
            between.append(ledger.begin())

    handles = [m.register_forward_pre_hook(before, with_kwargs=True) for m in watched]
    handles += [m.register_forward_hook(after, with_kwargs=True) for m in watched]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        ledger.end(between[-1])
        seen.floor = max(seen.floor, between[-1].peak)
