"""MLPerf's LoadGen against the server through HTTP: MLPerf-style, not a submission, and not compliant with its rules.

Scenarios SingleStream (one query at a time) and Server (arrivals at random, a bound on the 99th percentile). The rules
want 600 seconds and forbid answers that are reused across queries; runs here are short, and a row with the cache on is
beside one with it off. A query that the server refuses is counted as late: LoadGen knows no refusals.
"""

from __future__ import annotations

import array
import re
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import mlperf_loadgen as lg  # type: ignore[import-not-found, unused-ignore]

from benchmarks.serve.server import Server
from evocache import zoo

THREADS = 64

FIGURES = {
    "p50, seconds": r"50.00 percentile latency \(ns\)\s*:\s*(\d+)",
    "p90, seconds": r"90.00 percentile latency \(ns\)\s*:\s*(\d+)",
    "p99, seconds": r"99.00 percentile latency \(ns\)\s*:\s*(\d+)",
}

SAMPLES = 24
"""Prompts that queries are drawn from."""


class _System:
    """What LoadGen asks: each query is a request of its own."""

    def __init__(self, server: Server, cache: str, late: float) -> None:
        self._server, self._cache, self._late = server, cache, late
        self._client = httpx.Client(timeout=600, limits=httpx.Limits(max_connections=THREADS))
        self._pool = ThreadPoolExecutor(THREADS)
        self._prompts = zoo.find("zoo:emoji").demo_prompts
        self._number = 0
        self._lock = threading.Lock()
        self.ends: Counter[str] = Counter()

    def issue(self, samples: Any) -> None:
        for sample in samples:
            self._pool.submit(self._ask, sample.id, sample.index)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._pool.shutdown()
        self._client.close()

    def _ask(self, id: int, index: int) -> None:
        body = {"prompt": self._prompts[index % len(self._prompts)], "seed": index, "cache": self._cache}
        try:
            answer = self._client.post(f"{self._server.address}/v1/images/generations", json=body)
            end = str(answer.status_code)
            data = array.array("B", answer.content)
        except httpx.TransportError as error:
            end, data = type(error).__name__, array.array("B", b"\0")
        if end != "200":
            time.sleep(self._late)
        with self._lock:
            self.ends[end] += 1
        address, length = data.buffer_info()
        lg.QuerySamplesComplete([lg.QuerySampleResponse(id, address, length)])


def run(server: Server, scenario: str, *, cache: str, seconds: float, rate: float, bound: float) -> dict[str, Any]:
    """Run a scenario.

    Args:
        server: asked.
        scenario: `SingleStream` or `Server`.
        cache: of the requests: `off`, or `use`.
        seconds: that it takes at least.
        rate: of arrivals, in queries a second (`Server`).
        bound: on the 99th percentile, in seconds (`Server`).
    """
    system = _System(server, cache, bound)
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, scenario)
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_duration_ms = settings.max_duration_ms = int(seconds * 1000)
    settings.min_query_count = 1
    settings.server_target_qps = rate
    settings.server_target_latency_ns = int(bound * 1e9)
    settings.server_target_latency_percentile = 0.99
    settings.single_stream_expected_latency_ns = int(1e9)
    sut = lg.ConstructSUT(system.issue, system.flush)
    qsl = lg.ConstructQSL(SAMPLES, SAMPLES, lambda samples: None, lambda samples: None)
    try:
        with tempfile.TemporaryDirectory() as folder:
            output = lg.LogOutputSettings()
            output.outdir = folder
            logs = lg.LogSettings()
            logs.log_output = output
            logs.enable_trace = False
            lg.StartTestWithLogSettings(sut, qsl, settings, logs, "audit.config")
            summary = (Path(folder) / "mlperf_log_summary.txt").read_text()
    finally:
        lg.DestroyQSL(qsl)
        lg.DestroySUT(sut)
        system.close()
    found = {name: re.search(pattern, summary) for name, pattern in FIGURES.items()}
    return {
        **{name: round(int(match[1]) / 1e9, 3) for name, match in found.items() if match},
        "queries": sum(system.ends.values()),
        "ends": dict(system.ends),
        **({"queries a second": round(rate, 3), "bound, seconds": round(bound, 2)} if scenario == "Server" else {}),
    }
