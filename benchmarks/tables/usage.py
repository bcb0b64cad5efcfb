"""The table of what a learning cache gains beside static policies."""

from __future__ import annotations

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
        f"{more['mean']:.0%} ({more['low']:.0%} to {more['high']:.0%})",
        f"{gap['mean']:.0%} ({gap['low']:.0%} to {gap['high']:.0%})",
        f"{100 * lead['mean']:.1f} ({100 * lead['low']:.1f} to {100 * lead['high']:.1f})",
    ]
