"""Uncached, fewer steps, policies and hand-made forecasts of evocache, and its evolved front."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from benchmarks.peers.contender import FEWER, FRONT, POLICY, STEPS, UNCACHED, Contender, Session
from evocache import apply, discover
from evocache.errors import PolicyError
from evocache.policies import parse
from evocache.policies.steps import outermost
from evocache.schedule import Schedule, forecast, uniform
from evocache.search.files import read_front

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

SPECS = (
    *(f"fora:{n}" for n in (2, 3, 4, 5, 7)),
    *(f"tgate:{n}" for n in (5, 10)),
    *(f"taylorseer:{n},{order}" for n in (2, 3, 4, 5, 7) for order in (1, 2)),
    *(f"steps:{','.join(map(str, mask))}" for mask in MASKS),
)


def uncached() -> Contender:
    """The untouched pipeline."""
    return Contender(UNCACHED, UNCACHED, _nothing)


def fewer_steps() -> list[Contender]:
    """The untouched pipeline, with every number of steps in the range."""
    return [Contender(f"{n} steps", FEWER, _nothing, {"steps": n}, n) for n in range(MOST, FEWEST - 1, -1)]


def policies(pipe: Any) -> list[Contender]:
    """Policies at several strengths, those that exist, and forecasts at equal intervals."""
    tree = discover(pipe).tree
    found = []
    for spec in SPECS:
        try:
            schedule = parse(spec).schedule(tree, STEPS)
        except PolicyError:
            continue
        found.append(Contender(spec, POLICY, applied(schedule), {"spec": spec}))
    spans = [component.id for component in outermost(tree)]
    for interval, gain in FORECASTS:
        schedule = uniform(tree, STEPS, spans, range(0, STEPS, interval), forecast(1, gain))
        settings = {"interval": interval, "gain": gain}
        found.append(Contender(f"forecast 1 in {interval}, gain {gain}", POLICY, applied(schedule), settings))
    return found


def front(path: str | Path) -> list[Contender]:
    """Points of the front of a run folder or a file, from the fastest to the slowest."""
    points, _ = read_front(path)
    full = [point.schedule for point in points if not point.schedule.is_full]
    return [
        Contender(f"front {i}", FRONT, applied(schedule), {"digest": schedule.digest})
        for i, schedule in enumerate(full)
    ]


def applied(schedule: Schedule) -> Any:
    """A way of putting a schedule on a pipeline."""

    @contextmanager
    def on(pipe: Any) -> Iterator[Session]:
        with apply(pipe, schedule) as handle:
            yield Session(peak=lambda: handle.stats.peak_cached_bytes)

    return on


def _nothing(pipe: Any) -> AbstractContextManager[Session]:
    return nullcontext(Session())
