"""The table of what a server gains through HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import markdown_table
from benchmarks.tables.results import results


def throughput() -> str:
    """Return processor seconds of eight requests, and times the throughput: medians of the rounds (middle half)."""
    found = results("serve")
    rows = []
    for what, cases in found["together"].items():
        for name, case in cases.items():
            rows.append([f"{name}, {what}", *_row(case, "times the throughput"), "one client in turn"])
    for name, case in found["peer"].items():
        if name != "skipped":
            rows.append([name, *_row(case, "times the peer's throughput, one client"), "the peer, one client"])
    return markdown_table(["requests", "processor s", "times the throughput", "of"], rows)


def _row(case: Mapping[str, Any], ratio: str) -> list[str]:
    low, high = case[ratio]["quartiles"]
    return [f"{case['processor seconds']['median']:.2f}", f"{case[ratio]['median']:.2f} ({low:.2f} to {high:.2f})"]
