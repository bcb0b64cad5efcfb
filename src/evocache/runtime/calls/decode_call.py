"""A call that decodes: it is noted, and done as planned, as a whole, in slices, or into a film."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ...memory.planner.footprint import Cut
from ...memory.planner.planner import MemoryPlan
from ...video.decode.frame_groups import run_cut
from ..attach.call_scope import find
from ..joint.encoders import hand_over_whole
from ..joint.lane import SLICED
from ..survey.film_output import FilmOutput

STAGE = "stage"
"""Key of what the scope of a weighed call has to be told: the name of each stage that begins, perhaps several times."""


class Running(Protocol):
    """The generation that a call is part of.

    Attributes:
        memory: what is run in slices.
        projection: what decoded frames go to instead of the pipeline.
    """

    memory: MemoryPlan | None
    projection: FilmOutput | None

    def decoding(self) -> None:
        """Latents are decoded."""


class DecodeCall:
    """Makes the decoding calls of one autoencoder.

    Args:
        running: the generation.
        name: the autoencoder's name in the pipeline.
    """

    def __init__(self, running: Running, name: str) -> None:
        choice = running.memory.decode if running.memory else None
        self._cut = choice.cuts.get(name) if choice else None
        self._running = running

    def __call__(self, original: Callable[..., Any], autoencoder: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for a call of `decode`."""
        self._running.decoding()
        begins = find(STAGE)
        if begins is not None:
            begins("decode")
        if self._running.projection is not None:
            return self._running.projection.decode(autoencoder, args, kwargs, self._cut)
        if self._cut is None:
            return hand_over_whole(original, "decode", autoencoder, args, kwargs)
        sliced = partial(_run_sliced, self._cut)
        return hand_over_whole(sliced, "decode", autoencoder, args, kwargs, SLICED)


def _run_sliced(how: Cut, autoencoder: Any, *args: Any, **kwargs: Any) -> Any:
    return run_cut(autoencoder, "decode", how, args, kwargs)
