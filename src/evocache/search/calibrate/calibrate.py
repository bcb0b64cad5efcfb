"""Calibration: what components cost and how their features drift, from one uncached generation and a few timed ones."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from ...errors import BudgetError
from ...model import Model, Probe, discover, probe
from ...schedule import Schedule
from ...user_warnings import warn
from ..cost.latency_model import Accuracy, fit, measure_overhead
from ..cost.schedule_cost import Costs
from ..evaluate.faults import retry_faults
from ..evaluate.local import LocalEvaluator
from .calibration_file import Calibration
from .drift import group_errors, sketch, squared
from .feature_samples import Sketches
from .random_schedules import draw_schedules
from .schedule_timing import Timings, measure_time_ratio, time_schedules

FITTED, CHECKED = 12, 6
"""Random schedules that the latency model is fitted to, and others that it is held against."""

ROUNDS, WITHIN = 4, 50.0
"""How often each of them is timed, as far as these seconds last; once in any case."""


def calibrate(
    evaluator: LocalEvaluator,
    prompts: Sequence[int],
    *,
    repeats: int = 3,
    schedules: tuple[int, int] = (FITTED, CHECKED),
    rounds: int = ROUNDS,
    within: float = WITHIN,
    seed: int = 0,
    least: int | None = None,
) -> Calibration:
    """Calibrate on some prompts of the evaluator's workload (one batch).

    It takes about as long as 20 uncached generations of these prompts, or up to a minute where they are fast. Within a
    limit of memory, components are measured on as many of them as run without slicing a denoiser, and counted for all.

    Args:
        evaluator: whose pipeline and workload.
        prompts: their numbers; four give a drift and a speed that hold for more.
        repeats: timed forwards of each denoiser.
        schedules: how many random schedules are timed, to fit the latency model to and to check it on; none to go by
            the probe alone.
        rounds: how often each is timed at most.
        within: seconds after which no other round of timing begins.
        seed: of the random schedules.
        least: fewest steps that schedules will be priced for; if given, some of those that are timed have fewer steps
            than the uncached generation, and what a step costs outside the denoisers becomes known (`Costs.varies`).
    """
    model = discover(evaluator.pipe)
    whole, kept = limit_to_whole(evaluator, prompts)
    if not kept:
        warn(f"components are measured on one prompt as it is, which takes more than {evaluator.within} bytes")

    def sketched() -> Sketches:
        sketches = Sketches()
        with sketches.recording(model):
            evaluator.once(whole, planned=kept)
        return sketches

    sketches = retry_faults(sketched, waits=evaluator.waits)
    steps = evaluator.steps
    found = {component.id: sketches.of(component.id) for component in model.tree}
    grids = {id: sketch(rows, total, steps) for id, (rows, total) in found.items() if rows}
    costs = _probed(model, sketches, evaluator, repeats, len(prompts) / len(whole))
    costs, accuracy = _fitted(evaluator, costs, (prompts, whole, kept), schedules, (rounds, within), (seed, least))
    drift = {id: squared(*grid) for id, grid in grids.items()}
    return Calibration(steps, costs, drift, group_errors(model.tree, grids), accuracy)


def limit_to_whole(evaluator: LocalEvaluator, prompts: Sequence[int]) -> tuple[Sequence[int], bool]:
    """Return as many of some prompts as an evaluator's limit leaves unsliced: components are measured whole.

    One at least, whatever the limit: the second of what is returned says whether it is kept.
    """
    for count in range(len(prompts), 0, -1):
        with suppress(BudgetError), evaluator.applied("none", prompts[:count]) as handle:
            if handle.memory is None or not any(handle.memory.cuts.values()):
                return prompts[:count], True
    return prompts[:1], False


def _probed(model: Model, sketches: Sketches, evaluator: LocalEvaluator, repeats: int, scale: float) -> Costs:
    """What components cost; `scale` is how many times the prompts that were measured are meant."""
    measures = {}
    for denoiser in model.denoisers:
        if denoiser.name in sketches.calls:
            args, kwargs = sketches.calls[denoiser.name]
            measures.update(probe(denoiser, args, kwargs, repeats=repeats))
    found = Probe(model, measures)
    return Costs(
        seconds={id: value * scale for id, value in found.exclusive("seconds").items()},
        flops={id: value * scale for id, value in found.exclusive("flops").items()},
        sizes={id: round(size * scale) for id, size in found.sizes().items()},
        calls=evaluator.calls,
        calls_at={d.name: _calls_at(sketches, d.name, evaluator.steps) for d in model.denoisers},
    )


def _calls_at(sketches: Sketches, denoiser: str, steps: int) -> list[float]:
    """Calls of a denoiser at each step, over all passes; those of a pass with other steps keep their number."""
    out = np.zeros(steps)
    for number, called in sketches.called.get(denoiser, {}).items():
        total = sketches.totals[number]
        places = np.round(np.linspace(0, total - 1, steps)).astype(int)
        row = np.array([called.get(int(place), 0) for place in places], dtype=float)
        out += row * (sum(called.values()) / max(row.sum(), 1.0))
    return [float(value) for value in out]


def _fitted(
    evaluator: LocalEvaluator,
    costs: Costs,
    measured: tuple[Sequence[int], Sequence[int], bool],
    schedules: tuple[int, int],
    limits: tuple[int, float],
    draw: tuple[int, int | None],
) -> tuple[Costs, Accuracy]:
    """Costs with a latency model that was fitted and checked by the clock.

    `measured` are the prompts, those of them that generations are timed on, as they are, and whether that keeps the
    evaluator's limit: then schedules that it slices or parks features of give way to uncached generations of as many
    steps. What is done outside the denoisers alike for all of them (decoding in slices) is timed with the rest.
    `limits` are the rounds and seconds of timing, `draw` the seed of the schedules and the fewest steps that they have.
    """
    prompts, whole, kept = measured
    fitted, checked = schedules
    if not fitted:
        return costs, Accuracy()
    tree, steps = evaluator.tree, evaluator.steps
    chosen = draw_schedules(tree, steps, fitted + checked, *draw)
    if kept:
        chosen = [s if evaluator.fits(s, whole) else Schedule.full(tree, s.steps) for s in chosen]
    timings = time_schedules(evaluator, chosen, whole, rounds=limits[0], within=limits[1], planned=kept)
    if len(whole) < len(prompts):
        timings = timings.times(measure_time_ratio(evaluator, prompts, whole) if kept else len(prompts) / len(whole))
    counts = [*(schedule.steps for schedule in chosen[:fitted]), steps]
    known = np.array([*timings.outside[:fitted], timings.outside[-1]])
    fixed, step = measure_overhead(counts, known) if len({*counts}) > 1 else (float(known[-1]), None)
    everything = [*chosen[:fitted], Schedule.full(tree, steps)]
    costs = replace(costs, fixed=fixed, weights=_weights(costs, everything, timings, fixed, step))
    predicted = np.array([costs.latency(schedule) for schedule in chosen[fitted:]])
    return costs, Accuracy.of(predicted, timings.seconds[fitted:], fitted=fitted, scatter=timings.scatter)


def _weights(
    costs: Costs, schedules: Sequence[Schedule], timings: Timings, fixed: float, step: float | None
) -> dict[str, float]:
    """Weights fitted to the steps of schedules, or to whole generations where steps cannot be told apart.

    The last of the schedules is the uncached one.
    """
    count = len(schedules) - 1
    terms = [costs.terms(schedule.tree, schedule.steps) for schedule in schedules]
    pairs = list(zip(terms, schedules, strict=True))
    if timings.rows is None:
        rows = np.array([terms.of(schedule) for terms, schedule in pairs])
        seconds = np.array([*timings.seconds[:count], timings.uncached])
    else:
        rows = np.concatenate([terms.rows(schedule) for terms, schedule in pairs])
        seconds = np.concatenate([*timings.rows[:count], timings.rows[-1]])
        rows, seconds = rows[seconds > 0], seconds[seconds > 0]
    return fit(terms[0].names, rows, seconds, fixed, step)
