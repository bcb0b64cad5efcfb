"""Metrics for Prometheus, by the names that peers have where they mean the same; no user, key or tenant in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...extras import optional
from ..requests.answer import Account
from ..workers.card import ModelCard
from ..workers.task import Value
from .gauges import families
from .notes import Notes
from .outcome import Outcome, computed, steps_of

PREFIX = "evocache:"

SECONDS = (0.005, 0.015, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 150.0, 600.0)
"""Bounds of a request's seconds."""

STEP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds of a denoising step's seconds."""

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the text that Prometheus reads."""


class Metrics:
    """Counts what is observed. Threads may share it.

    Raises:
        DependencyError: if the extra `[serve]` is not installed.
    """

    def __init__(self) -> None:
        self._client = optional("prometheus_client")
        self._registry = self._client.CollectorRegistry()
        counter, histogram = self._counter, self._histogram
        self._requests = counter("http_requests", "Requests of HTTP.", ("route", "method", "status"))
        self._http = histogram("http_request_duration_seconds", "Seconds of a request of HTTP.", ("route",))
        self._ends = counter("requests", "Requests for generations, by how they ended.", ("model", "end"))
        self._failed = counter("requests_failed", "Requests that failed.", ("model", "reason"))
        self._latency = histogram("request_latency_seconds", "Seconds of an answered request.", ("model",))
        self._queue = histogram("queue_time_seconds", "Seconds that a generation waited.", ("model",))
        self._compute = histogram(
            "diffusion_exec_s", "Seconds of a worker that a generation took, its part of batches.", ("model", "point")
        )
        self._step = histogram("denoise_step_latency_s", "The same for each denoising step.", ("model",), STEP_SECONDS)
        self._reuse = counter("generations", "Generations that were answered.", ("model", "point", "reuse"))
        self._computed = counter("computed_seconds", "Seconds of workers.", ("model",))
        self._saved = counter("saved_seconds", "Seconds of workers that were saved, as estimated.", ("model",))

    def request(self, notes: Notes, seconds: float) -> None:
        """Count a request of HTTP."""
        self._requests.labels(notes.route, notes.method, str(notes.status)).inc()
        self._http.labels(notes.route).observe(seconds)

    def outcome(self, outcome: Outcome, card: ModelCard, arguments: Mapping[str, Value]) -> None:
        """Count how a request for generations ended."""
        model = outcome.model
        self._ends.labels(model, outcome.end).inc()
        if outcome.end == "failed":
            self._failed.labels(model, outcome.reason).inc()
        elif outcome.end == "made":
            self._latency.labels(model).observe(outcome.seconds)
        self._computed.labels(model).inc(outcome.computed)
        self._saved.labels(model).inc(outcome.saved(card))
        for account in outcome.accounts:
            self._generation(account, card, arguments)

    def _generation(self, account: Account, card: ModelCard, arguments: Mapping[str, Value]) -> None:
        self._reuse.labels(card.name, account.point, account.reuse).inc()
        if account.reuse != "none":
            return
        self._queue.labels(card.name).observe(account.seconds.get("queue", 0.0))
        seconds, steps = computed(account), steps_of(account, card, arguments)
        if seconds > 0:
            self._compute.labels(card.name, account.point).observe(seconds)
            if steps:
                self._step.labels(card.name).observe(seconds / steps)

    def text(self, figures: Mapping[str, Any]) -> bytes:
        """Return all metrics as Prometheus reads them.

        Args:
            figures: what the dispatcher and the workers count; see `gauges.families`.
        """
        now = self._client.CollectorRegistry()
        now.register(_Read(families(optional("prometheus_client.core"), PREFIX, figures)))
        write = self._client.generate_latest
        written: bytes = write(self._registry) + write(now)
        return written

    def _counter(self, name: str, help: str, labels: tuple[str, ...]) -> Any:
        return self._client.Counter(PREFIX + name, help, labels, registry=self._registry)

    def _histogram(self, name: str, help: str, labels: tuple[str, ...], bounds: tuple[float, ...] = SECONDS) -> Any:
        return self._client.Histogram(PREFIX + name, help, labels, buckets=bounds, registry=self._registry)


class _Read:
    """Gives families of metrics to a registry."""

    def __init__(self, found: list[Any]) -> None:
        self._found = found

    def collect(self) -> list[Any]:
        return self._found
