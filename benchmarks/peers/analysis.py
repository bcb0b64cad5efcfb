"""What the rows say: speedup at equal quality, quality at equal speedup, and whether the evolved front dominates.

Nothing is interpolated: a front is credited only with points that were measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers.contender import CALIBRATED, FRONT, POLICY, UNCACHED

Row = Mapping[str, Any]

RANGE = (1.3, 4.0)
"""Speedups within which the front is held against its rivals."""

EQUAL_DB = 0.1
"""Differences of mean PSNR below this count as equal."""

NEAR = 0.05
"""A heuristic is at 2x if it is at least 2x less this share of it."""


def measured(rows: Sequence[Row]) -> list[Row]:
    """Rows that have figures: neither failed, nor did nothing, nor the reference itself."""
    return [r for r in rows if "psnr" in r and "speedup" in r and not r.get("no-op") and r["family"] != UNCACHED]


def evolved(rows: Sequence[Row]) -> list[Row]:
    """Points of the evolved front."""
    return [row for row in measured(rows) if row["family"] == FRONT]


def rivals(rows: Sequence[Row], range_: tuple[float, float] = RANGE) -> list[Row]:
    """All others whose speedup is in a range."""
    low, high = range_
    return [row for row in measured(rows) if row["family"] != FRONT and low <= row["speedup"] <= high]


def fastest(points: Sequence[Row], least: float, quality: str = "psnr") -> Row | None:
    """The fastest point of at least a quality."""
    return max((p for p in points if p[quality] >= least), key=lambda p: p["speedup"], default=None)


def best(points: Sequence[Row], least: float, quality: str = "psnr") -> Row | None:
    """The best point of at least a speedup."""
    return max((p for p in points if p["speedup"] >= least), key=lambda p: p[quality], default=None)


def duels(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The evolved front against each rival.

    `speedup at equal quality` is that of the fastest point that is no worse than the rival, None if all are worse;
    `quality at equal speedup` and `margin` (decibels above the rival) are those of the best point that is no slower.
    """
    points = evolved(rows)
    out = []
    for rival in rivals(rows):
        faster, better = fastest(points, rival["psnr"]), best(points, rival["speedup"])
        margin = None if better is None else round(better["psnr"] - rival["psnr"], 3)
        out.append(
            {
                "rival": rival["name"],
                "family": rival["family"],
                "speedup": rival["speedup"],
                "psnr": rival["psnr"],
                "speedup at equal quality": None if faster is None else faster["speedup"],
                "gain": None if faster is None else round(faster["speedup"] / rival["speedup"], 3),
                "quality at equal speedup": None if better is None else better["psnr"],
                "margin": margin,
                "margin error": None if better is None else standard_error(better, rival),
                "accuracy margin": None
                if better is None
                else round(better["prompt accuracy"] - rival["prompt accuracy"], 4),
                "verdict": verdict(margin),
            }
        )
    return out


def verdict(margin: float | None) -> str:
    """What a margin in decibels means; None is that no point is as fast."""
    if margin is None:
        return "not reached"
    if margin >= EQUAL_DB:
        return "dominates"
    return "equals" if margin >= -EQUAL_DB else "loses"


def standard_error(one: Row, other: Row) -> float | None:
    """Standard error of the mean difference of PSNR, prompt by prompt; None where single values are missing."""
    a, b = one.get("psnr of each"), other.get("psnr of each")
    if not a or not b or len(a) != len(b) or len(a) < 2:
        return None
    differences = [x - y for x, y in zip(a, b, strict=True)]
    mean = sum(differences) / len(differences)
    variance = sum((d - mean) ** 2 for d in differences) / (len(differences) - 1)
    return float(round(math.sqrt(variance / len(differences)), 3))


def dominance(rows: Sequence[Row]) -> dict[str, Any]:
    """How many rivals the front dominates, equals, loses to, or does not reach, and its least margin."""
    held = duels(rows)
    counts = dict.fromkeys(("dominates", "equals", "loses", "not reached"), 0)
    for duel in held:
        counts[duel["verdict"]] += 1
    margins = [duel["margin"] for duel in held if duel["margin"] is not None]
    return {
        "range": list(RANGE),
        "equal within dB": EQUAL_DB,
        "rivals": len(held),
        **counts,
        "least margin": min(margins, default=None),
        "dominates or equals all": bool(held) and counts["loses"] == counts["not reached"] == 0,
        "exceptions": [duel["rival"] for duel in held if duel["verdict"] in ("loses", "not reached")],
    }


def faster_still(rows: Sequence[Row], speedup: float = 2.0, families: Sequence[str] | None = None) -> dict[str, Any]:
    """How much faster than the best heuristic at a speedup the front is, at its PSNR and at its prompt accuracy.

    The best heuristic is the one of highest PSNR (of highest accuracy, then PSNR) among those that are at least about
    that fast; `families` limits who counts as a heuristic.
    """
    floor = speedup * (1 - NEAR)
    field = [r for r in rivals(rows, (floor, float("inf"))) if families is None or r["family"] in families]
    points = evolved(rows)
    out: dict[str, Any] = {"at": speedup}
    for quality in ("psnr", "prompt accuracy"):
        heuristic = max(field, key=lambda r: (r[quality], r["psnr"]), default=None)
        ours = None if heuristic is None else fastest(points, heuristic[quality], quality)
        out[quality] = {
            "heuristic": None if heuristic is None else heuristic["name"],
            "its speedup": None if heuristic is None else heuristic["speedup"],
            "its value": None if heuristic is None else heuristic[quality],
            "ours": None if ours is None else ours["name"],
            "our speedup": None if ours is None else ours["speedup"],
            "our value": None if ours is None else ours[quality],
            "gain": None if ours is None or heuristic is None else round(ours["speedup"] / heuristic["speedup"], 3),
        }
    return out


def non_dominated(rows: Sequence[Row]) -> list[Row]:
    """Rows of which none other is both as fast and as good, and one of the two more; from slow to fast."""
    found = measured(rows)
    kept = [
        row
        for row in found
        if not any(
            o["speedup"] >= row["speedup"]
            and o["psnr"] >= row["psnr"]
            and (o["speedup"], o["psnr"]) != (row["speedup"], row["psnr"])
            for o in found
        )
    ]
    return sorted(kept, key=lambda row: row["speedup"])


def analyse(rows: Sequence[Row]) -> dict[str, Any]:
    """All of it."""
    return {
        "duels": duels(rows),
        "dominance": dominance(rows),
        "faster still": faster_still(rows),
        "faster still than our policies": faster_still(rows, families=(POLICY, CALIBRATED)),
    }
