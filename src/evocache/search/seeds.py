"""Schedules that a search starts from: published policies at several strengths, and masks from calibrated drift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from ..errors import PolicyError
from ..policies import parse
from ..policies.steps import outermost
from ..schedule import REUSE, Action, Schedule, Tree, forecast, uniform
from .masks import best_masks

Drift = Mapping[str, npt.NDArray[np.float64]]
"""By component id, a (steps, steps) matrix: error of using the value computed at one step at a later one."""

GAINS = (0.0, 0.4, 0.8)
"""Forecast gains that masks are seeded with; 0 is reuse."""


def policy_seeds(tree: Tree, steps: int) -> Iterator[Schedule]:
    """Every policy that makes sense for the model, at several strengths."""
    specs = ["none", *(f"fora:{n}" for n in (2, 3, 4, 5)), *(f"deepcache:{n}" for n in (2, 3, 5))]
    specs += [f"deepcache:{n},{branch}" for n in (2, 3) for branch in (2, 4)]
    specs += [f"tgate:{max(1, round(steps * share))}" for share in (0.25, 0.5)]
    for spec in specs:
        try:
            yield parse(spec).schedule(tree, steps)
        except PolicyError:
            continue


def mask_seeds(tree: Tree, steps: int, drift: Drift | None = None) -> Iterator[Schedule]:
    """Step masks on the outermost parts, for every budget down to a sixth of the steps, reused and forecast.

    With the calibrated drift of those parts the masks are the best ones under it; without, steps are spread evenly.
    """
    parts = [c.id for c in outermost(tree)]
    known = [drift[part] for part in parts if part in drift] if drift else []
    masks = best_masks(np.sum(known, axis=0)) if known else {}
    for budget in range(max(2, steps // 6), steps):
        even = tuple(sorted({0, *np.round(np.linspace(0, steps, budget, endpoint=False)).astype(int).tolist()}))
        for name, mask in {"dp": masks.get(budget), "even": None if known else even}.items():
            for gain in GAINS if mask else ():
                between: Action = forecast(1, gain) if gain else REUSE
                schedule = uniform(tree, steps, parts, mask or (), between)
                yield schedule.with_provenance(f"{name} mask of {budget} steps, gain {gain:g}")


def distinct(schedules: Iterator[Schedule]) -> list[Schedule]:
    """The schedules, each behaviour once."""
    return list({schedule.digest: schedule for schedule in schedules}.values())
