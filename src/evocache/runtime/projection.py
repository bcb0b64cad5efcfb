"""Decoding straight into a film: frames are shown as they are decoded, and the pipeline is left with empty hands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..memory.footprint import Cut
from ..memory.grouping import grouped
from ..memory.groups import run_cut
from ..memory.rehearse import rehearse, shadow
from ..memory.relaying import relayed
from ..memory.requests import Uncoupled
from ..memory.slicing import Slicing, alone
from ..memory.windowing import windowed
from ..model.outputs import unpack
from .form import form

Show = Callable[[npt.NDArray[np.uint8]], None]
"""Takes a frame (height, width, 3)."""


COLOURS = 3
"""Channels of a picture."""

WAITING = 8
"""Slices of a relay in which all wait for one another: more would hold more frames twice than they would save."""


class Projection:
    """Shows what an autoencoder decodes, frame by frame.

    An autoencoder that works group of frames by group is left to do so; one that blends tiles of time does so tile by
    tile. Any other is run for some frames after others (a relay), if a trial finds that this is exact. What comes is
    shown at once, so that the decoded video is never held, nor, where frames need nothing of later ones, more than the
    activations of a few. What cannot be decoded so is decoded as planned, or all together, and then shown.

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
        cut, before = self._cut(autoencoder, args, kwargs, planned), self.frames
        if cut is not None and cut.slicing.onward:
            try:
                return shadow(run_cut(autoencoder, "decode", cut, args, kwargs, take=self._project))
            except Uncoupled:  # what was exact for the few frames of a trial may not be possible for these
                cut = None if planned is None or planned.slicing.onward else planned
        if cut is None:
            whole = alone(autoencoder, "decode")(*args, **kwargs)
        else:
            whole = run_cut(autoencoder, "decode", cut, args, kwargs)
        self._project(whole, after=self.frames - before)
        return shadow(whole)

    def _cut(
        self, autoencoder: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], planned: Cut | None
    ) -> Cut | None:
        """How frames are decoded, some after others wherever that is possible."""
        way = self._way(autoencoder, args, kwargs)
        if way is None or (planned is not None and planned.slicing.onward):
            return planned
        if way.groups is not None:
            coupled = planned is not None and planned.slicing.coupled
            return (
                Cut(replace(planned.slicing, groups=way.groups), planned.slices) if planned and coupled else Cut(way, 1)
            )
        waits = way.relay is not None and way.relay.waits
        cut = Cut(way, WAITING if waits else way.length(unpack((args, dict(kwargs)))[0]))
        if planned is None:
            return cut
        try:
            return min(cut, planned, key=lambda how: _held(shadow(autoencoder), how, args, kwargs))
        except Uncoupled:
            return planned

    def _way(self, autoencoder: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Slicing | None:
        """How frames are decoded some after others; None where they must be together."""
        key = id(autoencoder), form(args, kwargs)
        if key not in self._ways:
            tried = (trial(autoencoder, args, kwargs, "decode") for trial in (grouped, windowed, relayed))
            self._ways[key] = next((way for way in tried if way is not None), None)
        return self._ways[key]

    def _project(self, decoded: Any, after: int = 0) -> None:
        """Show the frames of what was decoded, after the first ones: the first tensor of the output, in [-1, 1].

        They are brought to [0, 1] as pipelines do it: videos in the decoder's own type, pictures in float32.
        """
        pictures = next(leaf for leaf in unpack(decoded)[0] if isinstance(leaf, torch.Tensor))
        frames = pictures[0] if pictures.ndim == 5 else pictures
        if pictures.ndim == 5 and not (pictures.shape[2] == COLOURS != pictures.shape[1]):  # one gives frames first
            frames = frames.transpose(0, 1)
        for frame in frames[after:]:
            light = frame if pictures.ndim == 5 else frame.float()
            shown = (light * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
            self._show((shown * 255).round().astype(np.uint8))
            self.frames += 1


def _held(module: nn.Module, how: Cut, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Bytes that decoding holds at most, if what comes by parts is taken at once."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return run_cut(module, "decode", how, args, kwargs, take=lambda _: None, rehearsed=True)

    return rehearse(module, args, kwargs, call=call).whole.peak
