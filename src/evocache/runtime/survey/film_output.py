"""Decoding straight into a film: frames are shown as they are decoded, and the pipeline is left with empty hands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...memory.planner.footprint import Cut
from ...memory.rehearsal.rehearsal import shadow
from ...memory.slicing.coupling_requests import Uncoupled
from ...memory.slicing.slicing import alone
from ...video.decode.frame_groups import run_cut
from .film_survey import film_cut, frames_of

Show = Callable[[npt.NDArray[np.uint8]], None]
"""Takes a frame (height, width, 3)."""


class FilmOutput:
    """Shows what an autoencoder decodes, frame by frame.

    An autoencoder that works group of frames by group is left to do so; one that blends tiles of time does so tile by
    tile. Any other is run for some frames after others (a frame pipeline), if a trial finds that this is exact. Frames
    are shown as they come, so that the decoded video is never held. Where frames need nothing of later ones, no more
    than the activations of a few frames are held. What cannot be decoded so is decoded as planned, or all together, and
    then shown.

    Args:
        show: what is given each frame, in order.

    Attributes:
        frames: how many were shown.
    """

    def __init__(self, show: Show) -> None:
        self._show = show
        self.frames = 0

    def decode(self, autoencoder: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], planned: Cut | None) -> Any:
        """Decode and show; what is returned is on the meta device.

        Args:
            autoencoder: the autoencoder.
            args: positional arguments of its `decode`.
            kwargs: keyword arguments of it.
            planned: how it is to be decoded where frames depend on one another.
        """
        cut, before = film_cut(autoencoder, args, kwargs, planned), self.frames
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

    def _project(self, decoded: Any, after: int = 0) -> None:
        """Show the frames of what was decoded, after the first ones."""
        for frame in frames_of(decoded, after):
            self._show((frame.cpu().numpy() * 255).round().astype(np.uint8))
            self.frames += 1
