"""Results as Markdown: two short tables for a README, and the long one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.markdown import markdown_table
from benchmarks.peers.analysis import Row, best, fastest, measured
from benchmarks.peers.contender import CALIBRATED, FEWER, FRONT, POLICY

SPEEDUPS = (1.5, 2.0, 2.5, 3.0, 3.5)
DECIBELS = (45, 40, 35, 30, 25)

LABELS = {
    FRONT: "evocache, evolved front",
    CALIBRATED: "evocache, calibrated policies",
    POLICY: "evocache, fixed policies",
    FEWER: "fewer steps, uncached",
}


def short(result: dict[str, Any]) -> str:
    """Quality at equal speedup, speedup at equal quality, and what follows, for each kind of contender."""
    setting = f"zoo:emoji, {result['steps']} steps, batch {result['batch']}, {result['prompts']} held-out prompts"
    return f"{setting}\n\n{quality_at(result)}\n\n{speed_at(result)}\n\n{_verdict(result['analysis'])}"


def quality_at(result: dict[str, Any]) -> str:
    """The best quality at equal speedup, for each kind of contender."""
    return _table(
        ["PSNR in dB at a speedup of at least", *(f"{s:g}x" for s in SPEEDUPS)],
        ([label, *(_cell(best(own, s), "psnr", "{:.1f}") for s in SPEEDUPS)] for label, own in _groups(result["rows"])),
        winners=True,
    )


def speed_at(result: dict[str, Any]) -> str:
    """The highest speedup at equal quality, for each kind of contender."""
    return _table(
        ["Speedup at a PSNR of at least", *(f"{d} dB" for d in DECIBELS)],
        (
            [label, *(_cell(fastest(own, d), "speedup", "{:.2f}x") for d in DECIBELS)]
            for label, own in _groups(result["rows"])
        ),
        winners=True,
    )


def long(result: dict[str, Any]) -> str:
    """Every row."""
    head = ["contender", "speedup", "quartiles", "work", "PSNR", "latent dB", "accuracy", "Frechet", "cached", ""]
    ordered = sorted(result["rows"], key=lambda r: (r["family"], r.get("speedup", 0.0)))
    return _table(head, (_line(row) for row in ordered))


def _groups(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Measured rows by what is put on one line: our own first, then fewer steps, then the peers by their package."""
    found: dict[str, list[Row]] = {label: [] for label in LABELS.values()}
    for row in measured(rows):
        label = LABELS.get(row["family"], row["family"].rstrip(" 12"))
        found.setdefault(label, []).append(row)
    return [(label, own) for label, own in found.items() if own]


def _cell(row: Row | None, name: str, form: str) -> str:
    return "-" if row is None else form.format(row[name])


def _line(row: Row) -> list[str]:
    if "error" in row:
        return [row["name"], *[""] * 8, f"fails: {row['error'].splitlines()[0][:80]}"]
    low, high = row.get("speedup quartiles", ("", ""))
    return [
        row["name"],
        f"{row['speedup']:.2f}x" if "speedup" in row else "",
        f"{low}-{high}" if low != "" else "",
        f"{row['executed']:.0%}",
        "" if row["psnr"] >= 100 else f"{row['psnr']:.1f}",
        "" if row["latent psnr"] >= 100 else f"{row['latent psnr']:.1f}",
        f"{row['prompt accuracy']:.1%}",
        f"{row['frechet']:.2f}",
        f"{row['cached bytes'] / 1000:.0f} kB",
        row.get("reason", "does nothing") if row["no-op"] else "",
    ]


def _verdict(analysis: dict[str, Any]) -> str:
    held, still = analysis["dominance"], analysis["faster still"]
    low, high = held["range"]
    lines = [
        f"Of {held['rivals']} rivals between {low:g}x and {high:g}x the evolved front dominates {held['dominates']}, "
        f"equals {held['equals']} (within {held['equal within dB']} dB), loses to {held['loses']} and does not reach "
        f"{held['not reached']}; least margin {held['least margin']} dB."
    ]
    for name, label in (("psnr", "PSNR"), ("prompt accuracy", "prompt accuracy")):
        one = still[name]
        if one["gain"] is not None:
            lines.append(
                f"At the {label} of the best heuristic at {still['at']:g}x ({one['heuristic']}, "
                f"{one['its speedup']:.2f}x) the evolved front is {one['gain']:.2f} times faster still."
            )
    return "\n".join(lines)


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], winners: bool = False) -> str:
    body = [list(line) for line in lines]
    if winners:
        for column in range(1, len(head)):
            numbers = [float(line[column].rstrip("x")) for line in body if line[column] != "-"]
            for line in body:
                if line[column] != "-" and float(line[column].rstrip("x")) == max(numbers):
                    line[column] = f"**{line[column]}**"
    return markdown_table(head, body)
