"""Components that a pipeline calls beside its denoisers: encoders of text and pictures, and whatever checks results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import nn

from ...model.pipeline_components import is_autoencoder
from ..ops.recompute import Again, Apart
from .lane import hand_over, meeting


def encoders_to_hand_over(components: Mapping[str, Any], but: Collection[int]) -> list[nn.Module]:
    """Return those of a pipeline's components with weights that are neither autoencoders nor among some ids.

    There are none where this thread hands nothing over.
    """
    if meeting.get() is None:
        return []
    parts = [part for part in components.values() if isinstance(part, nn.Module)]
    return [part for part in parts if id(part) not in but and not is_autoencoder(part)]


def encode(original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
    """Stand in for the call of an encoder: it is handed over to the meeting of its thread."""
    return hand_over_whole(original, "encode", module, args, kwargs)


def encode_pictures(original: Callable[..., Any], autoencoder: Any, args: Any, kwargs: Any) -> Any:
    """Stand in for an autoencoder's `encode`: it is handed over as well, and returns a distribution, not rows."""
    return hand_over_whole(original, "encode", autoencoder, args, kwargs, alone="it encodes pictures")


def hand_over_whole(
    original: Callable[..., Any], stage: str, thing: Any, args: Any, kwargs: Any, alone: str = ""
) -> Any:
    """Hand over a call of a component that no schedule governs; made anew, it is what it would have been."""
    again = True
    while again:
        try:
            return hand_over(original, alone=alone, stage=stage)(thing, *args, **kwargs)
        except Apart as error:
            again = isinstance(error, Again)
    return original(thing, *args, **kwargs)
