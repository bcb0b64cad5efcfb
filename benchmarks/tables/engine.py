"""The table of what an engine gains over one request after the other."""

from __future__ import annotations

from benchmarks.markdown import markdown_table
from benchmarks.tables.results import results


def throughput() -> str:
    """Return times the throughput of the plain pipeline: median of the rounds (middle half)."""
    rows = []
    models = {**results("engine")["models"], **results("engine-emoji")["models"]}
    for model, cases in models.items():
        for name, case in cases.items():
            if name == "figures":
                continue
            ratio = case["times the throughput"]
            low, high = ratio["quartiles"]
            seconds = [f"{case[f'{who} seconds']['median']:.2f}" for who in ("serial", "engine")]
            rows.append([f"`{model}`", name, f"{ratio['median']:.2f} ({low:.2f} to {high:.2f})", *seconds])
    return markdown_table(
        ["model", "requests", "times the throughput", "one after the other, processor s", "engine, processor s"], rows
    )
