"""Decoding straight into a film: frames are shown as they are decoded, and the pipeline is left with empty hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..memory.footprint import Cut
from ..memory.grouping import grouped
from ..memory.groups import run_cut
from ..memory.rehearse import shadow
from ..memory.slicing import Slicing, alone, in_slices
from ..memory.trial import slicings
from ..model.outputs import pack, unpack
from .form import form

Show = Callable[[npt.NDArray[np.uint8]], None]
"""Takes a frame (height, width, 3)."""


COLOURS = 3
"""Channels of a picture."""


class Projection:
    """Shows what an autoencoder decodes, frame by frame.

    Frames that do not depend on one another are decoded one by one. An autoencoder that works group of frames by group
    is left to do so, and each group is shown as it comes. So neither the decoded video nor the activations of more
    than one group are ever held. Others are decoded as planned, or all together, and then shown.

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
        way = self._way(autoencoder, args, kwargs)
        if way is not None and way.groups is None:
            leaves, spec = unpack((args, dict(kwargs)))
            length = way.length(leaves)
            results = in_slices(alone(autoencoder, "decode"), way, way.sizes(length, length), leaves, spec)
            return self._joined(results, way)
        if way is not None:
            cut = Cut(way, 1)
            if planned is not None and (planned.slicing.groups or planned.slicing.coupled):
                cut = Cut(replace(planned.slicing, groups=way.groups), planned.slices)
            return run_cut(autoencoder, "decode", cut, args, kwargs, take=self._project)
        if planned is None:
            whole = alone(autoencoder, "decode")(*args, **kwargs)
        else:
            whole = run_cut(autoencoder, "decode", planned, args, kwargs)
        self._project(whole)
        return shadow(whole)

    def _joined(self, results: Iterator[Any], way: Slicing) -> Any:
        """Show results as they come; returns what they would be together."""
        parts: list[list[Any]] = []
        spec = None
        for result in results:
            self._project(result)
            leaves, spec = unpack(shadow(result))
            parts.append(leaves)
            del result
        whole = [
            torch.cat([part[i] for part in parts], axis) if axis is not None else parts[0][i]
            for i, axis in enumerate(way.outputs)
        ]
        return pack(whole, spec)

    def _way(self, autoencoder: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Slicing | None:
        """How frames are decoded one by one, or group by group; None where they must be together."""
        key = id(autoencoder), form(args, kwargs)
        if key not in self._ways:
            self._ways[key] = grouped(autoencoder, args, kwargs, "decode") or next(
                (
                    s
                    for s in slicings(autoencoder, args, kwargs, "decode")
                    if not s.coupled and s.outputs[0] == s.axis == _time(args, kwargs)
                ),
                None,
            )
        return self._ways[key]

    def _project(self, decoded: Any) -> None:
        """Show the frames of what was decoded: the first tensor of the output, values in [-1, 1]."""
        pictures = next(leaf for leaf in unpack(decoded)[0] if isinstance(leaf, torch.Tensor))
        frames = pictures[0] if pictures.ndim == 5 else pictures
        if pictures.ndim == 5 and not (pictures.shape[2] == COLOURS != pictures.shape[1]):  # one gives frames first
            frames = frames.transpose(0, 1)
        for frame in frames:
            shown = (frame.float() / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
            self._show((shown * 255).round().astype(np.uint8))
            self.frames += 1


def _time(args: Any, kwargs: Any) -> int:
    """The axis of frames in latents: of videos (batch, channels, frames, ...), or of frames as a batch."""
    latents = next(leaf for leaf in unpack((args, dict(kwargs)))[0] if isinstance(leaf, torch.Tensor))
    return 2 if latents.ndim == 5 else 0
