"""What public traces are like, and what policies gain where they have keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from evocache.tables import Column, plain, table
from evocache.usage.learn.comparison import compare

from . import azure, mooncake, servegen
from .arrivals import Arrivals, TraceError
from .prompts import FOLDER, read_prompts

POLICIES = ("learned", "lru", "gdsf", "s3fifo")
ROOMS = (0.01, 0.1)
"""Rooms, as shares of the bytes of all different answers."""

FIGURES = (
    ("requests", "{:,}", "requests"),
    ("rate", "{:.3g}", "a second"),
    ("peak", "{:.3g}", "at its peak"),
    ("variation", "{:.2f}", "variation of gaps"),
    ("users", "{:,}", "users"),
    ("heaviest", "{:.1%}", "heaviest"),
)
"""Figures of arrivals, how they are written, and what stands above them."""

Reader = Callable[[], Arrivals]


def find_traces(folder: Path, prompts: Path = FOLDER) -> Iterator[tuple[str, Reader | str]]:
    """Yield the traces of a folder and those below it by name, each as what reads it, or why there is none."""
    kinds: tuple[tuple[str, str, Callable[[Path], Arrivals]], ...] = (
        ("azure", azure.FILES, azure.read_azure),
        ("mooncake", mooncake.FILES, mooncake.read_mooncake),
    )
    for kind, pattern, read in kinds:
        files = sorted(folder.rglob(pattern)) if folder.is_dir() else []
        for path in files:
            yield f"{kind} {path.stem}", lambda path=path, read=read: read(path)
        if not files:
            yield kind, f"no {pattern} in {folder}"
    models = sorted({path.parent for path in folder.rglob(servegen.FILES)}) if folder.is_dir() else []
    for model in models:
        yield f"servegen {model.name}", lambda model=model: servegen.read_servegen(model)
    if not models:
        yield "servegen", f"no {servegen.FILES} in {folder}"
    yield "prompts", (lambda: read_prompts(prompts)) if prompts.is_dir() else f"no folder {prompts}"


def measure_traces(
    found: Iterator[tuple[str, Reader | str]], seed: int = 1, policies: Sequence[str] = POLICIES, most: int = 20_000
) -> dict[str, dict[str, Any]]:
    """Return by trace what its arrivals are like, and hit rates where it has keys; or why it was skipped.

    Args:
        found: traces.
        seed: seeds what policies draw.
        policies: their names.
        most: look-ups that are replayed, the first ones.
    """
    result: dict[str, dict[str, Any]] = {}
    for name, read in found:
        try:
            arrivals = read if isinstance(read, str) else read()
        except TraceError as error:
            arrivals = str(error)
        if isinstance(arrivals, str):
            result[name] = {"skipped": arrivals}
            continue
        result[name] = {**arrivals.figures(), "rooms": {}}
        if arrivals.lookups is not None:
            part = arrivals.lookups[:most]
            result[name]["replayed"], result[name]["unit"] = len(part), arrivals.unit
            for share in ROOMS:
                room = int(share * part.whole)
                if room >= int(part.size.min()):
                    held = compare(part, room, policies, seed=seed)
                    rates = {one.name: one.hit_rate for one in held.policies}
                    result[name]["rooms"][f"{share:.0%}"] = {**rates, "belady": held.offline.hit_rate}
    return result


def text(result: dict[str, dict[str, Any]], policies: Sequence[str] = POLICIES) -> str:
    """Return two tables: arrivals, and hit rates in percent; below them why others were skipped."""
    rows = [
        [name, *(form.format(one[key]) if one.get(key) is not None else "" for key, form, _ in FIGURES)]
        for name, one in result.items()
        if "skipped" not in one
    ]
    arrivals = table([Column("trace"), *(Column(head, numeric=True) for _, _, head in FIGURES)], rows)
    kinds = (*policies, "belady")
    rows = [
        [name, room, *(f"{100 * rates[kind]:.1f}" for kind in kinds)]
        for name, one in result.items()
        for room, rates in one.get("rooms", {}).items()
    ]
    rates = table(
        [Column("trace"), Column("room", numeric=True), *(Column(kind, numeric=True) for kind in kinds)], rows
    )
    skipped = [f"{name}: skipped: {one['skipped']}" for name, one in result.items() if "skipped" in one]
    return plain(arrivals, rates, *skipped)
