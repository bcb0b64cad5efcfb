"""Memory of a generation as it really runs, stage by stage, counted tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from ...memory.ledger import Extent, Ledger
from ...memory.planner.planner import Held
from ...model import Model
from ...model.pipeline_components import is_autoencoder, list_components
from ..attach.call_scope import Scope, find
from ..attach.interception import attach, attaching, detach
from ..attach.scheduler_listener import autoencoder_shadowing
from ..calls.decode_call import STAGE
from .acts import STAGES
from .residency import weights


def measure(pipe: Any, model: Model, call: Callable[[], Any]) -> dict[str, Held]:
    """Measure what a generation holds in each stage when most is; what is cached counts as activations.

    All tensors on the device on which the pipeline computes are counted, from the operation that makes them until
    nothing refers to them. What an operation takes and gives back within itself is not seen.

    Args:
        pipe: the pipeline; it may be accelerated.
        model: its denoisers.
        call: calls it.
    """
    ledger = Ledger(on=torch.device(pipe._execution_device).type)
    for component in list_components(pipe).values():
        if isinstance(component, nn.Module):
            ledger.ignore((*component.parameters(), *component.buffers(), *_tables(component)))
    extents: dict[str, Extent] = {}

    def begin(stage: str) -> None:
        if stage not in extents:
            for extent in extents.values():
                ledger.end(extent)
            extents[stage] = ledger.begin()

    with ledger, describe_stages(pipe, model, begin):
        begin(STAGES[0])
        call()
        begin("over")
    held = sum(weights(pipe).values())
    return {stage: Held(held, extents[stage].peak) for stage in STAGES if stage in extents}


def _tables(component: nn.Module) -> Iterator[torch.Tensor]:
    """Tensors that modules hold as plain attributes, such as rotary frequencies: they are there before a call."""
    held = (value for module in component.modules() for value in module.__dict__.values())
    return (value for value in held if isinstance(value, torch.Tensor))


@contextmanager
def describe_stages(pipe: Any, model: Model, begins: Callable[[str], None]) -> Iterator[None]:
    """Tell `begins`, within the context, when a stage begins; it may be told so more than once.

    Only calls that are made within the context count, and not those of other generations that use the same components
    meanwhile. A generation within finds its own operation for what decodes, and tells the listener for us.
    """
    scope = Scope()
    scope.table[STAGE] = begins

    def decodes(original: Callable[..., Any], autoencoder: Any, args: Any, kwargs: Any) -> Any:
        begins("decode")
        return original(autoencoder, *args, **kwargs)

    def denoises(*_: Any) -> None:
        if find(STAGE) is begins:
            begins("denoise")

    with ExitStack() as stack:
        for denoiser in model.denoisers:
            with attaching:
                hook = denoiser.module.register_forward_pre_hook(denoises)
            stack.callback(_remove, hook)
        for autoencoder in list_components(pipe).values():
            if is_autoencoder(autoencoder):
                attach(autoencoder, autoencoder_shadowing)
                stack.callback(detach, autoencoder)
                scope.table[id(autoencoder), "decode"] = decodes
        scope.enter(above=0)
        stack.callback(scope.leave)
        yield


def _remove(hook: RemovableHandle) -> None:
    with attaching:
        hook.remove()
