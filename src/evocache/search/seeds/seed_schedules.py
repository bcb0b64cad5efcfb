"""Schedules that a search starts from: published policies at several strengths, masks, fills, fewer steps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import PolicyError
from ...policies import Policy, SmoothCache, is_spec, parse_policy
from ...policies.calibrated.smoothcache import LOOKAHEAD, Errors
from ...policies.static.steps import find_outermost
from ...schedule import REUSE, Action, Schedule, Tree, forecast, uniform
from ..calibrate.drift import Drift
from ..genome.memory_genes import Design, Genes
from ..genome.step_counts import list_step_counts, resample_drift
from .drift_fills import make_fills
from .step_masks import find_best_masks

if TYPE_CHECKING:  # a calibration knows the machine, and so torch, which seeds do without
    from ..calibrate.calibration_file import Calibration

GAINS = (0.0, 0.4, 0.8)
"""Forecast gains that masks are seeded with; 0 is reuse. What lies between is for polishing and mutation to find."""

THRESHOLDS = 5
"""Thresholds that SmoothCache is seeded with."""

FEWER = (0.85, 0.7, 0.55, 0.4)
"""Numbers of steps, relative to the uncached generation's, that masks are seeded with."""

COMPUTED = (0.8, 0.65, 0.5, 0.35)
"""Shares of these that the masks compute."""

FEWER_GAIN = 0.6
"""Forecast gain of these masks."""


def make_seeds(tree: Tree, calibration: Calibration, least: int | None = None) -> list[Schedule]:
    """Return everything that a calibrated search may start from, each behaviour once.

    Args:
        tree: the components.
        calibration: what was calibrated; of as many steps as the seeds have.
        least: fewest steps that schedules may have; if given, there are also seeds of fewer steps.
    """
    steps, drift = calibration.steps, calibration.drift
    denoisers = [c.id for c in tree.of_kind("denoiser")]
    seeds = [
        *make_policy_seeds(tree, steps, calibration.errors),
        *make_mask_seeds(tree, steps, drift),
        *make_mask_seeds(tree, steps, drift, parts=denoisers, gains=GAINS[-1:]),
        *make_fills(tree, steps, drift, calibration.costs.seconds),
        *make_fills(tree, steps, drift, calibration.costs.seconds, gain=0.5),
        *(make_fewer_steps_seeds(tree, steps, drift, least) if least is not None else ()),
    ]
    return drop_equal(seeds)


def make_policy_seeds(tree: Tree, steps: int, errors: Errors | None = None) -> Iterator[Schedule]:
    """Return every policy that makes sense for the model, at several strengths; SmoothCache with calibrated errors."""
    specs = ["none", *(f"fora:{n}" for n in (2, 3, 4, 5)), *(f"deepcache:{n}" for n in (2, 3, 5))]
    specs += [f"deepcache:{n},{branch}" for n in (2, 3) for branch in (2, 4)]
    specs += [f"tgate:{max(1, round(steps * share))}" for share in (0.25, 0.5)]
    specs += [f"taylorseer:{n}" for n in (2, 3, 4, 6)] + [f"taylorseer:{n},2" for n in (2, 3, 5)]
    policies: list[Policy] = [parse_policy(spec) for spec in specs]
    if errors:
        policies += [SmoothCache(threshold, errors=errors) for threshold in choose_thresholds(errors)]
    for policy in policies:
        try:
            yield policy.schedule(tree, steps)
        except PolicyError:
            continue


def choose_thresholds(errors: Errors, count: int = THRESHOLDS) -> list[float]:
    """Return thresholds of SmoothCache that spread over its budgets: quantiles of the errors that it compares.

    Quantiles of all groups together, so that a low one lets the calmest kinds of layers be reused, and a high one all.
    """
    ages = [np.diagonal(matrix, age) for matrix in errors.values() for age in range(1, LOOKAHEAD + 1)]
    met = np.concatenate([age[age > 0] for age in ages]) if ages else np.array([])
    if not len(met):
        return []
    quantiles = np.quantile(met, np.linspace(0, 1, count + 2)[1:-1])
    return sorted({float(f"{q:.3g}") for q in quantiles})


def make_mask_seeds(
    tree: Tree,
    steps: int,
    drift: Drift | None = None,
    parts: Iterable[str] | None = None,
    gains: Sequence[float] = GAINS,
    budgets: Iterable[int] | None = None,
) -> Iterator[Schedule]:
    """Return step masks, for every budget down to a fifth of the steps, reused and forecast.

    Steps spread evenly; and, where the drift of the parts is known, the best masks under it for features that are
    reused. Either may be the better one when they are forecast.

    Args:
        tree: the components.
        steps: number of steps.
        drift: by component.
        parts: ids of what is skipped between computed steps; the outermost parts when not given.
        gains: of the forecast between computed steps; 0 reuses.
        budgets: numbers of computed steps, where not all are wanted.
    """
    chosen = [c.id for c in find_outermost(tree)] if parts is None else list(parts)
    known = [drift[part] for part in chosen if part in drift] if drift else []
    masks = find_best_masks(np.sum(known, axis=0)) if known else {}
    what = "" if parts is None else f" on {', '.join(chosen)}"
    for budget in range(max(2, steps // 5), steps) if budgets is None else budgets:
        even = tuple(sorted({0, *np.round(np.linspace(0, steps, budget, endpoint=False)).astype(int).tolist()}))
        for name, mask in {"dp": masks.get(budget), "even": even}.items():
            for gain in gains if mask else ():
                between: Action = forecast(1, gain) if gain else REUSE
                schedule = uniform(tree, steps, chosen, mask or (), between)
                yield schedule.with_provenance(f"{name} mask of {budget} steps{what}, gain {gain:g}")


def make_fewer_steps_seeds(tree: Tree, steps: int, drift: Drift, least: int) -> Iterator[Schedule]:
    """Return schedules of fewer steps: all computed, which is the rival to beat, and masks of some numbers of them.

    Args:
        tree: the components.
        steps: of the uncached generation.
        drift: by component, at that number of steps.
        least: fewest steps.
    """
    for count in list_step_counts(least, steps):
        yield Schedule.full(tree, count).with_provenance(f"{count} steps")
    for count in dict.fromkeys(round(share * steps) for share in FEWER):
        if not least <= count < steps:
            continue
        known = {id: resample_drift(matrix, count) for id, matrix in drift.items()}
        budgets = dict.fromkeys(max(2, round(share * count)) for share in COMPUTED)
        for schedule in make_mask_seeds(tree, count, known, gains=(FEWER_GAIN,), budgets=budgets):
            if schedule.provenance.origin.startswith("dp"):
                yield schedule.with_provenance(f"{count} steps, {schedule.provenance.origin}")


def make_stored_seeds(schedules: Iterable[Schedule], storages: Sequence[str]) -> list[Design]:
    """Return designs that store features smaller: the policies among schedules, each in another storage in turn."""
    smaller = [storage for storage in storages if storage != "none"]
    policies = [s for s in schedules if is_spec(s.provenance.origin) and not s.is_full]
    return [Design(s, Genes(smaller[i % len(smaller)])) for i, s in enumerate(policies)] if smaller else []


def drop_equal(schedules: Iterable[Schedule]) -> list[Schedule]:
    """Return the prompts without those that ask for the same as an earlier one."""
    out: dict[str, Schedule] = {}
    for schedule in schedules:
        out.setdefault(schedule.digest, schedule)
    return list(out.values())
