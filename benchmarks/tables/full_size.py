"""Tables of measurements at full size, and of memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.markdown import markdown_table
from benchmarks.tables.results import results

UNCOUNTED = 0.01
"""Where outputs differ by more from those of the same schedule without a budget, times are of something else."""


def memory() -> str:
    """Return predicted peaks of full-size pipelines."""
    ways = ("as it is", "least, nothing leaves the device", "least")
    rows = [
        [model, f"`{spec}`", *(f"{found[way]['peak']:.1f}" for way in ways)]
        for model, schedules in results("memory")["models"].items()
        for spec, found in schedules.items()
    ]
    headings = ["as it is", "at the least, all on the GPU", "with components moved by stage"]
    return markdown_table(["model", "schedule", *headings], rows, left=(0, 1))


def gpu() -> str:
    """Return other packages' caches and ours at full size on a GPU: every row that was measured."""
    rows = []
    for model in results("gpu")["models"]:
        about = f"{model['model']}, {model['steps']} steps, {model['rounds']} rounds"
        for row in model["rows"]:
            if row["name"] != "uncached":
                ratio = "does nothing"
                if not row["no-op"]:
                    low, high = row["speedup quartiles"]
                    ratio = f"{row['speedup']:.2f}x ({low:.2f}-{high:.2f})"
                held = [f"{row[key] / 1e6:.0f}" for key in ("cached bytes", "bytes alive after the call")]
                rows.append([about, row["name"], f"{row['executed']:.0%}", ratio, *held])
    headings = ["pipeline", "contender", "work", "speed-up (quartiles)", "cached MB", "MB alive after the call"]
    return markdown_table(headings, rows, left=(0, 1))


def memory_gpu() -> str:
    """Return video pipelines on a GPU: untouched, under DeepCache's helper, ours, ours within a budget."""
    headings = ["model", "contender", "peak by the allocator, GB", "predicted / measured, by stage", "seconds (range)"]
    headings += ["speed-up, whole call", "of denoising", "lost to the budget"]
    cases = results("memory-gpu")["cases"]
    rows = [[case["model"], row["name"], *_on_gpu(row)] for case in cases for row in case["rows"]]
    return markdown_table(headings, rows, left=(0, 1, 3))


def _on_gpu(row: dict[str, Any]) -> Iterator[str]:
    """Yield the cells of a row, but for its name."""
    if "peak" not in row:
        yield f"not measured: {row['error']}"
        return
    yield f"{row['peak'] / 1e9:.2f}"
    yield ", ".join(f"{ratio:.2f}" for ratio in row.get("predicted / measured", {}).values())
    if "seconds" not in row:
        yield "not timed"
    elif row.get("difference", 0.0) > UNCOUNTED:
        yield "not counted: other frames"
    else:
        low, high = row["seconds"]["range"]
        yield f"{row['seconds']['median']:.2f} ({low:.2f}-{high:.2f})"
        yield f"{row['speed-up']['median']:.2f}x"
        yield f"{row['speed-up of denoising']['median']:.2f}x"
        yield f"{row['lost']['median']:.0%}" if "lost" in row else ""


def memory_clock() -> str:
    """Return what it costs on a CPU to make a generation fit."""
    rows = []
    for case in results("memory-clock")["cases"]:
        for name, row in case["rows"].items():
            if "held" not in row:
                rows.append([case["case"], name, f"refused: {row['short of'] / 1e6:.0f} missing"])
                continue
            lost = [_share(row[key]) if key in row else "" for key in ("lost", "processor lost")]
            rows.append([case["case"], name, f"{row['held'] / 1e6:.0f}", f"{row['seconds']['median']:.1f}", *lost])
    headings = ["pipeline", "contender", "peak held, MB", "seconds", "lost to the budget, by the clock (quartiles)"]
    return markdown_table([*headings, "by processor time"], rows, left=(0, 1))


def _share(figure: dict[str, Any]) -> str:
    low, high = figure["quartiles"]
    return f"{figure['median']:.1%} ({low:.0%} to {high:.0%})"
