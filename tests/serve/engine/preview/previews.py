"""Previews at every step of a job."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from evocache.serve.engine.engine import Engine
from evocache.serve.engine.preview.wish import Wish


def ask_at_every_turn(engine: Engine, patch: pytest.MonkeyPatch) -> list[Wish]:
    """Have a preview asked for at each turn of each job; what is returned is filled with them."""
    wishes: list[Wish] = []
    previewer = engine._loop.conductor._previewer
    original = previewer.take_turn

    def take_turn(chosen: Any) -> bool:
        for one in chosen:
            if one.job.wish is None or one.job.wish.answered:
                one.job.wish = Wish()
                wishes.append(one.job.wish)
        return original(chosen)

    patch.setattr(previewer, "take_turn", take_turn)
    patch.setattr(engine._loop.conductor, "_keep_turn", lambda one, lane: None)  # who is alone has turns as well
    return wishes


def shown(wishes: list[Wish]) -> list[list[Image.Image]]:
    """The different previews that were made, in order."""
    found: list[list[Image.Image]] = []
    for wish in wishes:
        if wish.answered and wish._error is None and not (found and found[-1][0] is wish._pictures[0]):
            found.append(list(wish._pictures))
    return found


def psnr(one: Any, other: Any) -> float:
    """Peak signal-to-noise ratio of two pictures, in decibels."""
    size = min(one.size, other.size)
    a, b = (np.asarray(each.convert("RGB").resize(size, Image.Resampling.BOX), dtype=float) for each in (one, other))
    return float(10 * np.log10(255**2 / max(1e-9, np.square(a - b).mean())))
