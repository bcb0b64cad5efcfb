"""What DeepCache's own helper keeps in a U-Net, counted from its published behaviour.

The helper wraps each attention, downsampler, upsampler and block of the way down and up, and the middle, and keeps the
latest output of each, whatever is read later, until the next generation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from evocache.memory.rehearsal.rehearsal import rehearse, shadow
from evocache.model import Model
from evocache.model.outputs import list_tensors


def helper_bytes(model: Model, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Bytes of all outputs that are kept; what two of them share counts once."""
    unet = shadow(model.denoisers[0].module)
    kept: dict[int, int] = {}
    alive: list[Any] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        for tensor in list_tensors(output):
            kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
            alive.append(tensor)

    hooks = [module.register_forward_hook(keep) for module in _wrapped(unet)]
    try:
        rehearse(unet, args, kwargs)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(kept.values())


def _wrapped(unet: Any) -> Iterator[nn.Module]:
    for block in (*unet.down_blocks, *unet.up_blocks):
        yield from getattr(block, "attentions", None) or ()
        yield from getattr(block, "downsamplers", None) or ()
        yield from getattr(block, "upsamplers", None) or ()
        yield block
    yield unet.mid_block
