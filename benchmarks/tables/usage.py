"""The table of what a learning cache gains beside static policies."""

from __future__ import annotations

from math import isfinite
from typing import Any

from benchmarks.markdown import markdown_table
from benchmarks.tables.results import results

POLICIES = {"lru": "LRU", "lfu": "LFU", "wtinylfu": "W-TinyLFU", "s3fifo": "S3-FIFO", "gdsf": "GDSF"}
"""Static policies, as they are shown."""


def eviction() -> str:
    """Return hit rates in percent, the bound beside them, and what learning adds: mean of the seeds (range)."""
    cases = results("usage")["cases"]
    return markdown_table(
        [
            "workload, room",
            *POLICIES.values(),
            "learned",
            "Belady",
            "more hits than LRU",
            "gap from LRU to Belady closed",
            "points ahead of the best of LRU, GDSF, S3-FIFO",
        ],
        ([name, *_cells(case)] for name, case in cases.items()),
    )


def _cells(case: dict[str, Any]) -> list[str]:
    rates = [f"{100 * case['rates'][kind]['mean']:.1f}" for kind in (*POLICIES, "learned", "belady")]
    more, gap = case["more_hits_than_lru"], case["gap_from_lru_to_belady_closed"]
    lead = case["lead_over_best_of_lru_gdsf_s3fifo_after_4000"]
    return [
        *rates,
        f"{more['mean']:.0%} ({more['low']:.0%} to {more['high']:.0%})" if isfinite(more["mean"]) else "LRU has none",
        f"{gap['mean']:.0%} ({gap['low']:.0%} to {gap['high']:.0%})",
        f"{100 * lead['mean']:.1f} ({100 * lead['low']:.1f} to {100 * lead['high']:.1f})",
    ]


def server() -> str:
    """Return response times and hits of the simulated server: mean of the seeds (range)."""
    cases = {title: found for title, found in results("usage-server")["cases"].items() if title.startswith("served")}
    return markdown_table(
        ["load", "server", "mean response, s", "p99, s", "answered from the cache, %", "joined in flight, %"],
        (
            [title.rpartition(" ")[2], name, *(_spread(one[of], scale) for of, scale in FIGURES)]
            for title, found in cases.items()
            for name, one in found.items()
        ),
    )


def ahead() -> str:
    """Return what computing ahead in idle time gains and wastes in the simulated server: mean of the seeds (range)."""
    cases = {title: found for title, found in results("usage-server")["cases"].items() if title.startswith("ahead")}
    return markdown_table(
        ["load", "made ahead", "mean response, s", "served at once by it, %", "of the worker's time wasted, %"],
        (
            [title.rpartition(" ")[2], name, *(_spread(one[of], scale) for of, scale in AHEAD)]
            for title, found in cases.items()
            for name, one in found.items()
        ),
    )


FIGURES = (("mean", 1), ("p99", 1), ("hit", 100), ("joined", 100))
AHEAD = (("mean", 1), ("ahead", 100), ("wasted_of_worker", 100))


def _spread(one: dict[str, float], scale: int) -> str:
    digits = 2 if scale == 1 else 1
    mean, low, high = (f"{scale * one[of]:.{digits}f}" for of in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"
