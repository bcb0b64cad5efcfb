"""Tables of README.md, README.ko.md and docs/benchmarks.md, made of the committed results.

    python -m benchmarks.tables

writes each table between the two comments that name it, `<!-- table NAME -->` and `<!-- end -->`. A test holds the
texts against the results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.table import quality_at, speed_at

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "README.ko.md", "docs/benchmarks.md")
BETWEEN = re.compile(r"(<!-- table ([\w-]+) -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)

SHOWN = (
    "evocache, evolved front",
    "evocache, calibrated policies",
    "fewer steps, uncached",
    "cache-dit DBCache + TaylorSeer",
    "diffusers TaylorSeer lite",
    "diffusers MagCache",
)
"""Rows of the table in README: ours, the rival that costs nothing, and the three strongest packages."""

KOREAN = {
    "PSNR in dB at a speedup of at least": "최소 속도 향상별 최고 PSNR (dB)",
    "evocache, evolved front": "evocache, 진화시킨 프런트",
    "evocache, calibrated policies": "evocache, 보정한 정책",
    "fewer steps, uncached": "스텝 수만 줄임, 캐시 없음",
}


def results(name: str) -> dict[str, Any]:
    """A committed result."""
    read: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
    return read


def readme() -> str:
    """Six rows of the comparison with other packages; a row wins a column if no row of the whole table is better."""
    head, align, *body = quality_at(results("peers-steps")).splitlines()
    return "\n".join([head, align, *(line for name in SHOWN for line in body if line.startswith(f"| {name} |"))])


def readme_in_korean() -> str:
    """The same with Korean names."""
    text = readme()
    for english, korean in KOREAN.items():
        text = text.replace(f"| {english} |", f"| {korean} |")
    return text


def quality() -> str:
    """Policies and fewer steps at equal work: every row that was measured."""
    lines = ["| | blocks executed | speed-up | PSNR | prompt accuracy | Frechet distance | cached a picture |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for row in results("quality")["rows"]:
        decibels = "-" if row["psnr"] is None else f"{row['psnr']:.1f} dB"
        lines.append(
            f"| {row['name']} | {row['executed of 20 steps']:.0%} | {row['speedup']:.2f}x | {decibels} "
            f"| {row['prompt accuracy']:.1%} | {row['frechet']:.2f} "
            f"| {row['peak cached bytes per image'] / 1024:.0f} KiB |"
        )
    return "\n".join(lines)


TABLES: Mapping[str, Callable[[], str]] = {
    "readme": readme,
    "readme-ko": readme_in_korean,
    "quality": quality,
    "peers-quality": lambda: quality_at(results("peers")),
    "peers-speed": lambda: speed_at(results("peers")),
    "peers-steps-quality": lambda: quality_at(results("peers-steps")),
    "peers-steps-speed": lambda: speed_at(results("peers-steps")),
}


def with_tables(text: str) -> str:
    """Return a page's text with the tables that it names made anew."""
    return BETWEEN.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
