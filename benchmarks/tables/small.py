"""Tables of measurements on the zoo's models, and of what attaching costs."""

from __future__ import annotations

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


def search() -> str:
    """Return ECAD's search and ours on the same prompts."""
    lines = [
        "| seed | ECAD: steps | ECAD: hypervolume | to the same: ours | share | ours: steps | ours: hypervolume |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in results("search")["seeds"]:
        theirs, ours = row["ecad"], row["evocache"]
        lines.append(
            f"| {row['seed']} | {theirs['steps']:,.0f} | {theirs['hypervolume']:.3f} "
            f"| {row['ours for their hypervolume']:,.0f} | {row['share of their cost']:.1%} "
            f"| {ours['steps']:,.0f} | {ours['hypervolume']:.3f} |"
        )
    return "\n".join(lines)


def speed() -> str:
    """Return what attaching costs, and whether what is saved on paper is saved on the clock."""
    lines = [
        "| model | all-compute / untouched | schedule | speed-up (quartiles) | clock / expected |",
        "|---|---:|---|---:|---:|",
    ]
    for case in (*results("speed")["cases"], *results("speed-pixart")["cases"]):
        about = f"{case['case']} ({case['steps']} steps, {case['rounds']} rounds)"
        for spec in (key for key, value in case.items() if isinstance(value, dict) and "speedup" in value):
            ratio, (low, high) = case[spec]["speedup"]["median"], case[spec]["speedup"]["quartiles"]
            lines.append(
                f"| {about} | {case['overhead of all-compute']['median']:.2f} | `{spec}` "
                f"| {ratio:.2f}x ({low:.2f}-{high:.2f}) | {case[spec]['clock / expected']['median']:.2f} |"
            )
    return "\n".join(lines)


def equal() -> str:
    """Return the same methods with the same parameters by two packages."""
    lines = [
        "| model, method (package) | executed | cached MB: evocache, package | time, package / evocache (quartiles) |",
        "|---|---:|---:|---:|",
    ]
    for case in results("equal")["cases"]:
        for row in case["rows"]:
            sides = row["ours"], row["theirs"]
            work = ", ".join(dict.fromkeys(f"{side['executed']:.1%}" for side in sides))
            held = ", ".join(f"{side['cached bytes'] / 1e6:.2f}" for side in sides)
            ratio, (low, high) = row["theirs / ours"]["median"], row["theirs / ours"]["quartiles"]
            method = f"{case['model'].removeprefix('zoo:')}, {row['method']} ({row['package']})"
            lines.append(f"| {method} | {work} | {held} | {ratio:.2f} ({low:.2f}-{high:.2f}) |")
    return "\n".join(lines)


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
