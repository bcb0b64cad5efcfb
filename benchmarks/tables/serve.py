"""Tables of the server through HTTP: what it adds and gains, and what becomes of too many requests."""

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


def overload() -> str:
    """Return who is served where more is asked for than can be done."""
    rows = []
    for name, case in results("serve")["overload"].items():
        if not isinstance(case, dict) or "served" not in case:
            continue
        shares = case["share served by user"]
        others = [share for user, share in shares.items() if user != "greedy"]
        rows.append(
            [
                name,
                f"{case['served']} of {case['sent']}",
                f"{min(others):.0%}",
                case["seconds"]["p50"],
                case["seconds"]["p99"],
                case["p99, generations"],
                case["predicted quality, dB"],
                case["longest Retry-After"] or "",
                case["megabytes grown"],
            ]
        )
    heads = ["load", "served", "least of a user", "p50, s", "p99, s", "p99, generations", "dB", "longest Retry-After"]
    return markdown_table([*heads, "MB grown"], rows)


def _row(case: Mapping[str, Any], ratio: str) -> list[str]:
    low, high = case[ratio]["quartiles"]
    return [f"{case['processor seconds']['median']:.2f}", f"{case[ratio]['median']:.2f} ({low:.2f} to {high:.2f})"]
