"""Metrics of what others count: the dispatcher's queue and levels, and what workers computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATES = ("normal", "degraded", "floor", "shedding")

_MODEL = (
    ("num_requests_waiting", "waiting", "Generations that wait for a worker."),
    ("num_requests_running", "running", "Generations that workers have."),
    ("front_level", "level", "Level of the front that is given now; 0 is the best."),
    ("front_levels", "levels", "Levels that there are."),
    ("predicted_wait_seconds", "wait_seconds", "Seconds that what waits and runs is predicted to take."),
)

_WHOLE = (
    ("capacity", "capacity", "Predicted seconds of work that all workers do in a second."),
    ("open_requests", "open", "Generations that were let in and are not over."),
    ("open_bytes", "bytes", "Bytes of the pictures that came with them."),
    ("workers", "workers", "Workers that take generations."),
)

_COUNTS = (
    ("dispatched", "ends", "end", "Generations that were handed to workers, by how they ended."),
    ("requests_refused", "refused", "reason", "Requests that were not let in."),
)

_AUDIT = (
    ("measured_quality_db", "Quality of a point on what was asked for, the mean of its samples."),
    ("worst_quality_db", "The lowest quality of its last samples."),
    ("predicted_minus_measured_quality_db", "Decibels by which a point is worse than its front says."),
)

_ENGINE = (
    "done",
    "failed",
    "cancelled",
    "together",
    "anew",
    "split",
    "tightened",
    "paused",
    "overlong",
    "switches",
    "brought",
    "put_aside",
    "conditioning_hits",
    "conditioning_misses",
)
"""What engines count that is a metric of its own."""


def families(core: Any, prefix: str, figures: Mapping[str, Any]) -> list[Any]:
    """Return families of metrics.

    Args:
        core: `prometheus_client.core`.
        prefix: of all names.
        figures: of `Dispatcher.figures()`, with `engines` besides: a mapping of each worker, `Worker.figures()`; and
            `audit`, of `Audit.figures()`.
    """
    found = []
    models: Mapping[str, Mapping[str, Any]] = figures.get("models", {})
    for name, key, help in _MODEL:
        gauge = core.GaugeMetricFamily(prefix + name, help, labels=("model",))
        for model, values in models.items():
            gauge.add_metric((model,), values[key])
        found.append(gauge)
    state = core.GaugeMetricFamily(prefix + "front_state", "1 for the state of the front.", labels=("model", "state"))
    for model, values in models.items():
        for one in STATES:
            state.add_metric((model, one), float(values["state"] == one))
    found.append(state)
    for name, key, help in _WHOLE:
        if key in figures:
            found.append(core.GaugeMetricFamily(prefix + name, help, value=figures[key]))
    for name, key, label, help in _COUNTS:
        counter = core.CounterMetricFamily(prefix + name, help, labels=(label,))
        for value, count in figures.get(key, {}).items():
            counter.add_metric((value,), count)
        found.append(counter)
    found += _engines(core, prefix, figures.get("engines", ()))
    return [*found, *_audit(core, prefix, figures.get("audit", {}))]


def _engines(core: Any, prefix: str, engines: Any) -> list[Any]:
    batch = core.SummaryMetricFamily(
        prefix + "generation_batch_size", "Calls that were computed in one turn.", labels=("worker",)
    )
    memory = core.GaugeMetricFamily(prefix + "worker_memory_bytes", "Bytes that a worker holds.", labels=("worker",))
    held = core.GaugeMetricFamily(
        prefix + "conditioning_bytes", "Bytes of outputs of encoders that a worker holds.", labels=("worker",)
    )
    saved = core.CounterMetricFamily(
        prefix + "conditioning_saved_seconds", "Seconds that calls took which were not made again.", labels=("worker",)
    )
    counts = core.CounterMetricFamily(
        prefix + "engine_events", "What happened to jobs and calls in engines.", labels=("worker", "event")
    )
    for number, of in enumerate(engines):
        worker = str(number)
        if "turns" in of and "calls" in of:
            batch.add_metric((worker,), of["turns"], of["calls"])
        if "bytes" in of:
            memory.add_metric((worker,), of["bytes"])
        if "conditioning_bytes" in of:
            held.add_metric((worker,), of["conditioning_bytes"])
            saved.add_metric((worker,), of["conditioning_seconds"])
        for event in _ENGINE:
            if event in of:
                counts.add_metric((worker, event), of[event])
    return [batch, memory, held, saved, counts]


def _audit(core: Any, prefix: str, audit: Mapping[str, Any]) -> list[Any]:
    labels = ("model", "lora", "point")
    mean, worst, short = (core.GaugeMetricFamily(prefix + name, help, labels=labels) for name, help in _AUDIT)
    help = "Generations whose quality was measured."
    samples = core.CounterMetricFamily(prefix + "quality_samples", help, labels=labels)
    for row in audit.get("points", ()):
        of = row["model"], row["lora"], row["label"]
        mean.add_metric(of, row["mean"])
        worst.add_metric(of, row["worst"])
        samples.add_metric(of, row["samples"])
        if row["predicted"] is not None:
            short.add_metric(of, row["predicted"] - row["mean"])
    runs = core.CounterMetricFamily(
        prefix + "audit_runs", "Generations that were made to measure quality, by how they ended.", labels=("end",)
    )
    for end, count in audit.get("ends", {}).items():
        runs.add_metric((end,), count)
    return [mean, worst, short, samples, runs]
