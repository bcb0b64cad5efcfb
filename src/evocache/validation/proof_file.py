"""What a run proves, and the `front.json` that keeps it: a measured front, what it was held against, and on what."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CodecError, ScheduleError, short
from ..schedule import Schedule, dumps
from ..schedule.front import Front
from ..schedule.front import front_file as ff
from ..schedule.front.comparison import describe_noise
from ..schedule.front.front import read_front
from ..schedule.io import strict_json as sj
from .held_out_split import HEADS, SIDES, UNKNOWN, describe_basis
from .picture_rows import FOLDER

UNCACHED = "uncached"

GROUPS = {
    "front": "evolved",
    "beaten": "evolved, but beaten",
    "seed": "policies",
    "steps": "fewer steps",
    "uncached": "uncached",
}
"""Groups of what is measured, and what people call them."""

_PICTURE = re.compile(rf"{FOLDER}/[a-z0-9][a-z0-9.-]*\.png")


@dataclass(frozen=True)
class Baseline:
    """Something that a front is held against.

    Attributes:
        group: `uncached`, `seed` (a policy that the search started from), `steps`, or `beaten` (what the search found
            and the proof does not bear out).
        measured: as of a point of the front.
        schedule: of a policy or what was beaten.
        by: what beat it: the name of a point or baseline, or fewer steps.
        storage: as of a point.
        budget: as of a point.
    """

    group: str
    measured: Mapping[str, float]
    schedule: Schedule | None = None
    by: str = ""
    storage: str = "none"
    budget: int | None = None


@dataclass(frozen=True)
class Basis:
    """What the figures of a proof stand on.

    Attributes:
        prompts: number of prompts that quality is measured on.
        rounds: interleaved rounds of timing.
        timed: prompts in a timed call.
        quality: name of the quality.
        unit: of its figures; empty if they have none.
        residual: whether it compares with the uncached output, which then is as good as can be.
        device: where it ran.
        versions: of the packages.
        seconds: what the proof took.
        left_out: what could have been measured and was not, in words.
        steps: of the uncached pipeline; 0 where that was not noted.
        clock: what the clock counts, processor time or wall time; empty where that was not noted.
        held_out: what of the prompts was kept from the search (see `held_out`): `prompts`, `seeds` alone, or unknown.
    """

    prompts: int
    rounds: int
    timed: int
    quality: str
    unit: str = ""
    residual: bool = False
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    left_out: tuple[str, ...] = ()
    steps: int = 0
    clock: str = ""
    held_out: str = UNKNOWN

    @property
    def head(self) -> str:
        """What a column of figures that were proven is called."""
        return HEADS[self.held_out]

    @property
    def side(self) -> str:
        """What an axis of such figures is of."""
        return SIDES[self.held_out]

    @property
    def stands_on(self) -> str:
        """What the figures that were proven stand on, in words."""
        return describe_basis(self.held_out, self.prompts)


@dataclass(frozen=True)
class Pictures:
    """Strips of pictures, in the order of their prompts.

    Attributes:
        prompts: of the pictures.
        files: by name of a point or baseline, relative to the run's folder.
    """

    prompts: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proof:
    """A measured front with its baselines.

    `measured` holds, for points and baselines alike, where known: `speedup` over the uncached pipeline by the clock
    with its quartiles over rounds (`speedup q1`, `speedup q3`), `seconds` for a prompt, the `predicted speedup`;
    `quality` on what is proven on (mean, higher is better, in the basis' unit) with quartiles over prompts
    (`quality q1`, `quality median`, `quality q3`), `calibration quality` on the prompts that were searched on,
    `fewer steps quality` that the uncached pipeline has in at most the same time with fewer steps; and `memory` (bytes
    of cached features). Where memory was searched, `peak`, the most bytes that a call of the timed prompts held,
    decoding included, and the `predicted peak`.

    Attributes:
        front: points, from the fastest to the slowest.
        names: of the points, in their order.
        baselines: by name.
        basis: what was measured on.
        pictures: of points and baselines.
    """

    front: Front
    names: tuple[str, ...]
    baselines: Mapping[str, Baseline]
    basis: Basis
    pictures: Pictures = field(default_factory=Pictures)

    @property
    def noise(self) -> list[str]:
        """What is to be said of the timings; nothing if the machine was not disturbed."""
        points = {name: point.measured for name, point in zip(self.names, self.front, strict=True)}
        return describe_noise({**points, **{name: baseline.measured for name, baseline in self.baselines.items()}})


def write_proof(folder: Path, proof: Proof) -> None:
    """Write a proof to `front.json` in a folder.

    Raises:
        CodecError: if it cannot be written.
    """
    document = {
        "format": ff.FORMAT,
        "version": ff.choose_version(proof.front),
        "basis": asdict(proof.basis),
        "points": [ff.as_json(name, point) for name, point in zip(proof.names, proof.front, strict=True)],
        "baselines": {name: _baseline_json(baseline) for name, baseline in proof.baselines.items()},
        "pictures": asdict(proof.pictures),
    }
    sj.write_text(folder / ff.FILE, json.dumps(document, indent=1, allow_nan=False) + "\n")


def read_proof(path: str | os.PathLike[str]) -> Proof:
    """Return the proof of a run folder or a `front.json`.

    Raises:
        RunError: if there is none, it is of another version, or it is damaged.
    """
    document = ff.read_document(path)
    points = ff.read_points(document, path)
    try:
        baselines, read = sj.read_object(document["baselines"], "baselines"), ff.Schedules()
        names = tuple(name for name, _ in points)
        if len({*names, *baselines}) < len(names) + len(baselines):
            raise CodecError(f"the names {short([*names, *baselines])}", "another for each", "name them apart")
        for name, point in points:
            _usable(point.measured, f"measured of {short(name)}")
        return Proof(
            read_front(document, points, path),
            names,
            {name: _baseline(value, f"baselines.{short(name)}", read) for name, value in baselines.items()},
            _basis(sj.read_object(document["basis"], "basis")),
            _pictures(sj.read_object(document["pictures"], "pictures")),
        )
    except KeyError as error:
        raise ff.describe_damage(path, f"no {error}") from None
    except ScheduleError as error:
        raise ff.describe_damage(path, f"{error.given}, where {error.expected} is due") from None


def _baseline_json(baseline: Baseline) -> dict[str, Any]:
    schedule = {} if baseline.schedule is None else {"schedule": json.loads(dumps(baseline.schedule))}
    found: dict[str, Any] = {"group": baseline.group, "measured": dict(baseline.measured), **schedule}
    if baseline.by:
        kept = {} if baseline.budget is None else {"budget": baseline.budget}
        found |= {"by": baseline.by, "storage": baseline.storage, **kept}
    return found


def _baseline(value: Any, where: str, read: ff.Schedules) -> Baseline:
    value = sj.read_object(value, where)
    schedule = read(value["schedule"]) if "schedule" in value else None
    group, measured = sj.read_string(value["group"], "group"), ff.read_figures(value["measured"], "measured")
    if group not in GROUPS or group == "front":
        known = ", ".join(name for name in GROUPS if name != "front")
        raise CodecError(f"{short(group)} for the group of {where}", f"one of {known}", "correct it")
    _usable(measured, f"measured of {where}")
    return Baseline(
        group,
        measured,
        schedule,
        sj.read_string(value.get("by", ""), "by"),
        sj.read_string(value.get("storage", "none"), "storage"),
        sj.read_integer(value["budget"], "budget", 1, ff.MAX_BYTES) if "budget" in value else None,
    )


def _usable(measured: Mapping[str, float], where: str) -> None:
    """Check that there are the figures that every table shows, and that none is what nothing can measure.

    Raises:
        CodecError: if not.
    """
    for name in ("speedup", "quality"):
        if name not in measured:
            raise CodecError(f"{where} without {name}", "a figure", "evolve again")
    for name, value in measured.items():
        least = 0.0 if name.startswith(_COUNTED) else -math.inf
        if value < least or (name.startswith("speedup") and not value):
            raise CodecError(f"{value:g} for {name} in {where}", "more than nothing", "correct it")


_COUNTED = ("speedup", "seconds", "memory", "peak", "predicted")
"""Beginnings of the names of figures that are never negative."""


def _basis(value: dict[str, Any]) -> Basis:
    prompts, rounds, timed = (sj.read_integer(value[name], name, 0, 10**9) for name in ("prompts", "rounds", "timed"))
    quality, unit, device = (sj.read_string(value[name], name) for name in ("quality", "unit", "device"))
    return Basis(
        prompts,
        rounds,
        timed,
        quality,
        unit,
        device=device,
        residual=value["residual"] is True,
        versions={k: sj.read_string(v, k) for k, v in sj.read_object(value["versions"], "versions").items()},
        seconds=sj.read_number(value["seconds"], "seconds"),
        left_out=tuple(sj.read_string(text, "left_out") for text in sj.read_list(value["left_out"], "left_out")),
        steps=sj.read_integer(value.get("steps", 0), "steps", 0, 10**9),
        clock=sj.read_string(value.get("clock", ""), "clock"),
        held_out=_kind(value.get("held_out", UNKNOWN)),
    )


def _kind(value: Any) -> str:
    """What was held out; what nobody knows proves nothing."""
    kind = sj.read_string(value, "held_out")
    return kind if kind in HEADS else UNKNOWN


def _pictures(value: dict[str, Any]) -> Pictures:
    """Pictures; a file that is not in the run's own folder of pictures is not taken."""
    files = {name: sj.read_string(file, name) for name, file in sj.read_object(value["files"], "files").items()}
    prompts = tuple(sj.read_string(text, "prompts") for text in sj.read_list(value["prompts"], "prompts"))
    return Pictures(prompts, {name: file for name, file in files.items() if _PICTURE.fullmatch(file)})
