"""Decoding straight into a film: frames are shown as they are decoded, and the pipeline is left with empty hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils._pytree import tree_map

from ..memory.footprint import Cut
from ..memory.slicing import Slicing, alone, in_slices, run
from ..memory.trial import slicings
from ..model.outputs import pack, unpack
from .form import form

Show = Callable[[npt.NDArray[np.uint8]], None]
"""Takes a frame (height, width, 3)."""


class Projection:
    """Shows what an autoencoder decodes, frame by frame.

    Frames that do not depend on one another are decoded one by one, so that neither the decoded video nor the
    activations of more than one latent frame are ever held. Where they do (temporal decoders), they are decoded as
    planned, or all together.

    Args:
        show: what is given each frame, in order.

    Attributes:
        frames: how many were shown.
    """

    def __init__(self, show: Show) -> None:
        self._show = show
        self._ways: dict[object, Slicing | None] = {}
        self.frames = 0

    def decode(self, autoencoder: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], planned: Cut | None) -> Any:
        """Decode and show; what is returned is on the meta device.

        Args:
            autoencoder: the autoencoder.
            args: positional arguments of its `decode`.
            kwargs: keyword arguments of it.
            planned: how it is to be decoded where frames depend on one another.
        """
        call = alone(autoencoder, "decode")
        way = self._one_by_one(autoencoder, args, kwargs)
        if way is None:
            whole = (
                call(*args, **kwargs) if planned is None else run(call, planned.slicing, planned.slices, args, kwargs)
            )
            self._project(whole)
            return tree_map(_gone, whole)
        leaves, spec = unpack((args, dict(kwargs)))
        length = way.length(leaves)
        return self._joined(in_slices(call, way, way.sizes(length, length), leaves, spec), way, length)

    def _joined(self, results: Iterator[Any], way: Slicing, length: int) -> Any:
        """Show results as they come; returns what they would be together."""
        parts: list[list[Any]] = []
        spec = None
        for result in results:
            self._project(result)
            leaves, spec = unpack(tree_map(_gone, result))
            parts.append(leaves)
            del result
        whole = [
            torch.cat([part[i] for part in parts], axis) if axis is not None else parts[0][i]
            for i, axis in enumerate(way.outputs)
        ]
        return pack(whole, spec)

    def _one_by_one(self, autoencoder: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Slicing | None:
        """How frames are decoded independently, if they are."""
        key = id(autoencoder), form(args, kwargs)
        if key not in self._ways:
            found = slicings(autoencoder, args, kwargs, "decode")
            self._ways[key] = next(
                (s for s in found if not s.coupled and s.outputs[0] == s.axis == _time(args, kwargs)), None
            )
        return self._ways[key]

    def _project(self, decoded: Any) -> None:
        """Show the frames of what was decoded: the first tensor of the output, values in [-1, 1]."""
        pictures = next(leaf for leaf in unpack(decoded)[0] if isinstance(leaf, torch.Tensor))
        frames = pictures[0].transpose(0, 1) if pictures.ndim == 5 else pictures
        for frame in frames:
            shown = (frame.float() / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
            self._show((shown * 255).round().astype(np.uint8))
            self.frames += 1


def _time(args: Any, kwargs: Any) -> int:
    """The axis of frames in latents: of videos (batch, channels, frames, ...), or of frames as a batch."""
    latents = next(leaf for leaf in unpack((args, dict(kwargs)))[0] if isinstance(leaf, torch.Tensor))
    return 2 if latents.ndim == 5 else 0


def _gone(leaf: Any) -> Any:
    return torch.empty(leaf.shape, dtype=leaf.dtype, device="meta") if isinstance(leaf, torch.Tensor) else leaf
