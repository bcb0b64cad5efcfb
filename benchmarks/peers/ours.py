"""Uncached, fewer steps, policies and hand-made forecasts of evocache, and its evolved front."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from benchmarks.peers.contender import CALIBRATED, FEWER, FRONT, POLICY, STEPS, UNCACHED, Contender, Session
from evocache import discover
from evocache.errors import PolicyError
from evocache.policies import SmoothCache, parse_policy
from evocache.policies.static.steps import find_outermost
from evocache.report.run.history import read_history
from evocache.runtime.apply import apply
from evocache.schedule import Schedule, forecast, uniform
from evocache.schedule.front.front import Front
from evocache.search.calibrate.calibrate import calibrate
from evocache.search.calibrate.calibration_file import Calibration, read_calibration, write_calibration
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.search.seeds.seed_schedules import choose_thresholds, make_mask_seeds

FEWEST, MOST = 4, 16
"""Range of the step counts of *fewer steps*."""

MASKS = (
    (0, 1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 18),
    (0, 1, 2, 4, 6, 8, 10, 12, 14, 16),
    (0, 1, 2, 4, 6, 9, 12, 15),
    (0, 1, 3, 6, 9, 12, 15),
    (0, 1, 3, 6, 10, 15),
    (0, 2, 5, 10, 15),
)
"""Step masks that are denser at first, at which the models tried change most."""

FORECASTS = ((2, 0.9), (2, 1.0), (3, 0.4), (3, 1.0), (4, 0.3), (5, 0.2))
"""Interval between computed steps, and gain of the forecast between."""

BUDGETS = (5, 6, 7, 8, 10, 12)
"""Computed steps of the calibrated masks."""

LEAST, GREATEST = 1.15, 6.0
"""Predicted speed-ups of the front's points that take part."""

SPECS = (
    *(f"fora:{n}" for n in (2, 3, 4, 5, 7)),
    *(f"tgate:{n}" for n in (5, 10)),
    *(f"taylorseer:{n},{order}" for n in (2, 3, 4, 5, 7) for order in (1, 2)),
    *(f"steps:{','.join(map(str, mask))}" for mask in MASKS),
)


def uncached() -> Contender:
    """The untouched pipeline."""
    return Contender(UNCACHED, UNCACHED, nothing)


def fewer_steps() -> list[Contender]:
    """The untouched pipeline, with every number of steps in the range."""
    return [Contender(f"{n} steps", FEWER, nothing, {"steps": n}, n) for n in range(MOST, FEWEST - 1, -1)]


def policies(pipe: Any) -> list[Contender]:
    """Policies at several strengths, those that exist, and forecasts at equal intervals."""
    tree = discover(pipe).tree
    found = []
    for spec in SPECS:
        try:
            schedule = parse_policy(spec).schedule(tree, STEPS)
        except PolicyError:
            continue
        found.append(Contender(spec, POLICY, applied(schedule), {"spec": spec, **_digest(schedule)}))
    spans = [component.id for component in find_outermost(tree)]
    for interval, gain in FORECASTS:
        schedule = uniform(tree, STEPS, spans, range(0, STEPS, interval), forecast(1, gain))
        settings = {"interval": interval, "gain": gain, **_digest(schedule)}
        found.append(Contender(f"forecast 1 in {interval}, gain {gain}", POLICY, applied(schedule), settings))
    return found


def calibrated(pipe: Any, calibration: Calibration) -> list[Contender]:
    """SmoothCache, and the step masks of least drift, reused and forecast."""
    tree = discover(pipe).tree
    found = []
    for threshold in choose_thresholds(calibration.errors):
        schedule = SmoothCache(threshold, errors=calibration.errors).schedule(tree, STEPS)
        found.append(Contender(f"smoothcache:{threshold:g}", CALIBRATED, applied(schedule), _digest(schedule)))
    for schedule in make_mask_seeds(tree, STEPS, calibration.drift):
        name = schedule.provenance.origin
        if any(name == f"dp mask of {budget} steps, gain {gain}" for budget in BUDGETS for gain in (0, 0.8)):
            found.append(Contender(name, CALIBRATED, applied(schedule), _digest(schedule)))
    return found


def calibration_of(pipe: Any, prompts: list[str], call: dict[str, Any], folder: Path) -> Calibration:
    """Errors and drift of one uncached batch of prompts that nothing is measured on; kept in a folder."""
    known = read_calibration(folder)
    if known is None:
        workload = Workload.of(prompts, call, seed=50_000, batch=len(prompts))
        evaluator = LocalEvaluator(pipe, workload, quality("latent"))
        known = calibrate(evaluator, range(len(prompts)), repeats=1, schedules=(0, 0))
        write_calibration(folder, known)
    return known


def front(path: str | Path) -> list[Contender]:
    """Points of the front of a run folder or a file, from the fastest to the slowest.

    A run proves only a part of its front; here all points take part that its journal has, by their predicted latency.
    """
    folder = Path(path)
    schedules = _found(folder) if folder.is_dir() else [point.schedule for point in Front.load(folder)]
    fast = [schedule for schedule in schedules if not (schedule.is_full and schedule.steps == STEPS)]
    return [Contender(_name(s), FRONT, applied(s), _digest(s), s.steps) for s in fast]


def _name(schedule: Schedule) -> str:
    """What a point is called: by its hash, and by its number of steps where it has its own."""
    return f"front {schedule.digest[:6]}" + (f", {schedule.steps} steps" if schedule.steps != STEPS else "")


def _found(folder: Path) -> list[Schedule]:
    """Schedules of a run that no other dominates in error and predicted latency, and that are worth their while."""
    calibration = read_calibration(folder)
    assert calibration is not None
    history = read_history(folder)
    latency = calibration.costs.latency
    uncached = latency(Schedule.full(history.points[0].schedule.tree, STEPS))
    kept = history.front(latency)
    return [p.schedule for p in kept if LEAST <= uncached / p.objectives["seconds"] <= GREATEST]


def applied(schedule: Schedule) -> Any:
    """A way of putting a schedule on a pipeline."""

    @contextmanager
    def on(pipe: Any) -> Iterator[Session]:
        with apply(pipe, schedule) as handle:
            yield Session(peak=lambda: handle.stats.peak_cached_bytes)

    return on


def _digest(schedule: Schedule) -> dict[str, Any]:
    return {"digest": schedule.digest}


def nothing(pipe: Any) -> AbstractContextManager[Session]:
    """The way of putting nothing on a pipeline."""
    return nullcontext(Session())
