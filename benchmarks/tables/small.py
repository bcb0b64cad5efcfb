"""Tables of measurements on the zoo's models, and of what attaching costs."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import markdown_table
from benchmarks.peers.table import quality_at, speed_at
from benchmarks.tables.results import results

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


def readme() -> str:
    """Return six rows of the comparison with other packages; bold is the best of the whole table."""
    head, align, *body = quality_at(results("peers-steps")).splitlines()
    return "\n".join([head, align, *(line for name in SHOWN for line in body if line.startswith(f"| {name} |"))])


def readme_in_korean() -> str:
    """Return the same with Korean names."""
    text = readme()
    for english, korean in KOREAN.items():
        text = text.replace(f"| {english} |", f"| {korean} |")
    return text


def quality() -> str:
    """Return policies and fewer steps at equal work: every row that was measured."""
    return markdown_table(
        ["", "blocks executed", "speed-up", "PSNR", "prompt accuracy", "Frechet distance", "cached a picture"],
        (
            [
                row["name"],
                f"{row['executed of 20 steps']:.0%}",
                f"{row['speedup']:.2f}x",
                "-" if row["psnr"] is None else f"{row['psnr']:.1f} dB",
                f"{row['prompt accuracy']:.1%}",
                f"{row['frechet']:.2f}",
                f"{row['peak cached bytes per image'] / 1024:.0f} KiB",
            ]
            for row in results("quality")["rows"]
        ),
    )


def search() -> str:
    """Return ECAD's search and ours on the same prompts."""
    headings = ["seed", "ECAD: steps", "ECAD: hypervolume", "to the same: ours", "share"]
    rows = []
    for row in results("search")["seeds"]:
        theirs, ours = row["ecad"], row["evocache"]
        own = [f"{ours['steps']:,.0f}", f"{ours['hypervolume']:.3f}"]
        same = [f"{row['ours for their hypervolume']:,.0f}", f"{row['share of their cost']:.1%}"]
        rows.append([str(row["seed"]), f"{theirs['steps']:,.0f}", f"{theirs['hypervolume']:.3f}", *same, *own])
    return markdown_table([*headings, "ours: steps", "ours: hypervolume"], rows)


def speed() -> str:
    """Return what attaching costs, and whether what is saved on paper is saved on the clock."""
    rows = []
    for case in (*results("speed")["cases"], *results("speed-pixart")["cases"]):
        about = f"{case['case']} ({case['steps']} steps, {case['rounds']} rounds)"
        overhead = f"{case['overhead of all-compute']['median']:.2f}"
        for spec in (key for key, value in case.items() if isinstance(value, dict) and "speedup" in value):
            expected = f"{case[spec]['clock / expected']['median']:.2f}"
            rows.append([about, overhead, f"`{spec}`", _with_quartiles(case[spec]["speedup"], "x"), expected])
    headings = ["model", "all-compute / untouched", "schedule", "speed-up (quartiles)", "clock / expected"]
    return markdown_table(headings, rows, left=(0, 2))


def _with_quartiles(figure: dict[str, Any], unit: str = "") -> str:
    low, high = figure["quartiles"]
    return f"{figure['median']:.2f}{unit} ({low:.2f}-{high:.2f})"


def equal() -> str:
    """Return the same methods with the same parameters by two packages."""
    rows = []
    for case in results("equal")["cases"]:
        for row in case["rows"]:
            sides = row["ours"], row["theirs"]
            work = ", ".join(dict.fromkeys(f"{side['executed']:.1%}" for side in sides))
            held = ", ".join(f"{side['cached bytes'] / 1e6:.2f}" for side in sides)
            method = f"{case['model'].removeprefix('zoo:')}, {row['method']} ({row['package']})"
            rows.append([method, work, held, _with_quartiles(row["theirs / ours"])])
    ratio = "time, package / evocache (quartiles)"
    return markdown_table(["model, method (package)", "executed", "cached MB: evocache, package", ratio], rows)


def peers_quality() -> str:
    """Return the best quality at equal speed of a front of 20 steps and of other packages."""
    return quality_at(results("peers"))


def peers_speed() -> str:
    """Return the highest speed at equal quality, of the same."""
    return speed_at(results("peers"))


def peers_steps_quality() -> str:
    """Return the best quality at equal speed of a front whose number of steps was evolved, and of other packages."""
    return quality_at(results("peers-steps"))


def peers_steps_speed() -> str:
    """Return the highest speed at equal quality, of the same."""
    return speed_at(results("peers-steps"))
