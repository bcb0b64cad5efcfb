"""Memory of a generation as it really runs, stage by stage, counted tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..memory.ledger import Extent, Ledger
from ..memory.planner import Held
from ..model import Model
from ..model.components import components_of
from .dry import STAGES
from .generation import is_autoencoder
from .subclasses import Subclasses
from .whereabouts import weights


def measured(pipe: Any, model: Model, call: Callable[[], Any]) -> dict[str, Held]:
    """What a generation holds in each stage when most is; what is cached counts as activations.

    All tensors on the device on which the pipeline computes are counted, from the operation that makes them until
    nothing refers to them. What an operation takes and gives back within itself is not seen.

    Args:
        pipe: the pipeline; it may be accelerated.
        model: its denoisers.
        call: calls it.
    """
    ledger = Ledger(on=torch.device(pipe._execution_device).type)
    for component in components_of(pipe).values():
        if isinstance(component, nn.Module):
            ledger.ignore((*component.parameters(), *component.buffers()))
    extents: dict[str, Extent] = {}

    def turn(stage: str) -> None:
        if stage not in extents:
            for extent in extents.values():
                ledger.end(extent)
            extents[stage] = ledger.begin()

    with ledger, told(pipe, model, turn):
        turn(STAGES[0])
        call()
        turn("over")
    held = sum(weights(pipe).values())
    return {stage: Held(held, extents[stage].peak) for stage in STAGES if stage in extents}


@contextmanager
def told(pipe: Any, model: Model, turn: Callable[[str], None]) -> Iterator[None]:
    """Within the context, `turn` is told when a stage begins, and may be told so more than once."""
    hooks = [denoiser.module.register_forward_pre_hook(lambda *_: turn("denoise")) for denoiser in model.denoisers]
    autoencoders = [c for c in components_of(pipe).values() if is_autoencoder(c)]
    own = [type(autoencoder) for autoencoder in autoencoders]
    for autoencoder in autoencoders:
        autoencoder.__dict__[_TURN] = turn
        object.__setattr__(autoencoder, "__class__", _telling(type(autoencoder)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for autoencoder, cls in zip(autoencoders, own, strict=True):
            object.__setattr__(autoencoder, "__class__", cls)
            del autoencoder.__dict__[_TURN]


_TURN = "_evocache_turn"


def _decoding(cls: type) -> dict[str, Any]:
    """What the subclass of an autoencoder's class does to tell when it decodes; so do its twins."""

    def decode(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.__dict__[_TURN]("decode")
        return cls.decode(self, *args, **kwargs)  # type: ignore[attr-defined]

    return {"decode": decode}


_telling = Subclasses(_decoding)
