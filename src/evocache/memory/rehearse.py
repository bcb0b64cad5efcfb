"""The rehearsal: a module's call with fake tensors, to see what it would hold, without holding or computing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_iter, tree_map

from .ledger import Extent, Ledger


@dataclass
class Use:
    """One call of a watched module.

    Attributes:
        module: the module.
        args: positional arguments, tensors on the meta device instead of its own.
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
    """

    whole: Extent
    floor: int = 0
    uses: list[Use] = field(default_factory=list)


@contextmanager
def stage(*modules: nn.Module) -> Iterator[tuple[FakeTensorMode, Ledger]]:
    """A context in which tensors are fake and counted, the weights of the modules taken as there already.

    Modules that were built of fake tensors bring their own mode along.
    """
    weights = [t for m in modules for t in (*m.parameters(), *m.buffers())]
    own = [w.fake_mode for w in weights if isinstance(w, FakeTensor)]
    mode = own[0] if own else FakeTensorMode(allow_non_fake_inputs=True)
    ledger = Ledger()
    ledger.ignore(w if isinstance(w, FakeTensor) else mode.from_tensor(w) for w in weights)
    with torch.no_grad(), mode, ledger:
        yield mode, ledger


def faked(mode: FakeTensorMode, value: Any, device: torch.device) -> Any:
    """A value with its tensors replaced by fake ones of their own, those of the meta device by ones of `device`."""

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        at = device if leaf.is_meta and not isinstance(leaf, FakeTensor) else leaf.device
        return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device=at)

    with mode:
        return tree_map(one, value)


def _shadows(value: Any) -> Any:
    """A value with its tensors replaced by ones of the meta device, which are not counted and keep nothing alive."""

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device="meta")

    with _disable_current_modes():
        return tree_map(one, value)


def rehearse(
    module: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    watched: Sequence[nn.Module] = (),
    call: Callable[..., Any] | None = None,
) -> Rehearsal:
    """Follow one call of a module.

    Args:
        module: the module; its weights may be real or fake, on any device.
        args: positional arguments; only shapes, types and devices matter.
        kwargs: keyword arguments.
        watched: modules whose calls are followed one by one.
        call: what is called instead of the module itself.
    """
    with stage(module) as (mode, ledger):
        device = next((w.device for w in module.parameters()), torch.device("cpu"))
        args, kwargs = faked(mode, (tuple(args), dict(kwargs)), device)
        ledger.adopt(leaf for leaf in tree_iter((args, kwargs)) if isinstance(leaf, torch.Tensor))
        seen = Rehearsal(ledger.begin())
        with _followed(ledger, seen, watched):
            (call or module)(*args, **kwargs)
        ledger.end(seen.whole)
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
        inside.append(Use(module, _shadows(args), _shadows(kwargs), ledger.begin(), ledger.operations))

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
