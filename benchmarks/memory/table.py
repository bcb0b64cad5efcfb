"""Rows of the GPU benchmark as Markdown; `python -m benchmarks.memory.table FILE` prints those of a result."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.markdown import markdown_table

HEAD = (
    "row",
    "peak GB: encode, denoise, decode",
    "predicted GB",
    "predicted / measured",
    "reserved GB",
    "seconds (range)",
    "speed-up",
    "of denoising",
    "lost",
    "moved GB",
    "slices, of decoding",
    "difference",
    "",
)


def table(found: dict[str, Any]) -> str:
    """The figures of a pipeline; GB are 10^9 bytes."""
    title = f"{found.get('model', found['case'])}, {found.get('dtype', '')}, {found.get('rounds', 0)} rounds"
    lines = [title, ""]
    if found.get("rows"):
        lines.append(markdown_table(HEAD, map(_cells, found["rows"]), left=(0, len(HEAD) - 1)))
    for name in ("error", "planned on the pipeline"):
        if name in found:
            lines += ["", f"{name}: {found[name]}"]
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any]) -> list[str]:
    held, predicted = row.get("held", {}), row.get("predicted", {})
    slices = f"{row['slices']}, {row['decode slices']}" if row.get("slices") or row.get("decode slices") else ""
    remarks = [row["error"][:120]] if "error" in row else []
    remarks += ["components moved"] if row.get("offload") else []
    remarks += ["not finite"] if row.get("finite") is False else []
    return [
        row["name"],
        ", ".join(f"{size / 1e9:.2f}" for size in held.values()),
        ", ".join(f"{size['all'] / 1e9:.2f}" for size in predicted.values()),
        ", ".join(f"{ratio:.2f}" for ratio in row.get("predicted / measured", {}).values()),
        f"{row['reserved'] / 1e9:.2f}" if row.get("reserved") else "",
        _seconds(row),
        _middle(row, "speed-up", "{:.2f}x"),
        _middle(row, "speed-up of denoising", "{:.2f}x"),
        _middle(row, "lost", "{:.1%}"),
        f"{row['moved'] / 1e9:.2f}" if row.get("moved") else "",
        slices,
        f"{row['difference']:.1e}" if "difference" in row else "",
        ", ".join(remarks),
    ]


def _seconds(row: dict[str, Any]) -> str:
    if "seconds" not in row:
        return f"{row['seconds of the first']:.2f} once" if "seconds of the first" in row else ""
    low, high = row["seconds"]["range"]
    return f"{row['seconds']['median']:.2f} ({low:.2f}-{high:.2f})"


def _middle(row: dict[str, Any], name: str, form: str) -> str:
    return form.format(row[name]["median"]) if name in row else ""


def main() -> None:
    """Print the tables of a result."""
    for found in json.loads(Path(sys.argv[1]).read_text())["cases"]:
        print(table(found))


if __name__ == "__main__":
    main()
