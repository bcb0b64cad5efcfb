"""The identity of a run: what it was evaluated on. A run that is continued on something else is refused. Pure.

A run's folder keeps it in `identity.json`: `parts`, which are compared before anything is computed (the classes,
configurations, types and weights of the pipeline's components, the call, the prompts, the quality), and a sample of the
first uncached outputs with the quality's figures of them, which are compared, within rounding, before anything is
evaluated.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CodecError, IdentityError, short
from ...policies.base.calibration_matrices import CALIBRATION
from ...schedule.io import strict_json as sj
from .journal import JOURNAL

FILE = "identity.json"
FORMAT = "evocache.identity"
VERSION = 1

SHOWN = 6
"""Differences that an error names."""

Part = str | int | float | bool | None


@dataclass(frozen=True)
class Sample:
    """The first uncached outputs, in a few numbers.

    Attributes:
        outputs: elements at fixed places.
        figures: what the quality says of each output; infinite where it has nothing to say.
    """

    outputs: tuple[float, ...]
    figures: tuple[float, ...]

    def distance(self, other: Sample) -> float:
        """Return how far another sample is from this one, relative to it: the larger of its two parts."""
        return max(_distance(self.outputs, other.outputs), _distance(self.figures, other.figures))


@dataclass(frozen=True)
class Identity:
    """What a run was evaluated on.

    Attributes:
        parts: by name; digests of what is long.
        sample: of the first uncached outputs; None until they are known.
    """

    parts: Mapping[str, Part]
    sample: Sample | None = None

    @property
    def digest(self) -> str:
        """The parts as a short hash."""
        return hashlib.sha256(json.dumps(dict(self.parts), sort_keys=True).encode()).hexdigest()[:16]


def confirm(folder: Path, parts: Mapping[str, Part]) -> Identity:
    """Return the identity of a folder's run with these parts; where nothing was calibrated or evaluated yet, a new one.

    Raises:
        IdentityError: if the run was begun with other parts, or nothing says with which.
    """
    begun = [name for name in (JOURNAL, CALIBRATION) if (folder / name).exists()]
    if not begun:
        return Identity(dict(parts))
    found = read(folder)
    if found is None:
        given = f"{folder}, whose {begun[0]} was written without {FILE}, which says what it was evaluated on"
        raise IdentityError(given, "a run of this version, or a new folder", _MEND)
    if dict(found.parts) != dict(parts):
        raise describe_mismatch(f"a call to continue {folder}", parts, found.parts)
    return found


def confirm_sample(folder: Path, identity: Identity, sample: Sample, tolerance: float) -> Identity:
    """Return the identity with a sample of the first uncached outputs, which is noted where there was none.

    Args:
        folder: of the run.
        identity: of the run.
        sample: taken now.
        tolerance: how far it may lie from the one that was noted, relative to it.

    Raises:
        IdentityError: if it lies farther.
        CodecError: if the folder cannot be written.
    """
    if identity.sample is None:
        identity = Identity(identity.parts, sample)
        write(folder, identity)
        return identity
    off = identity.sample.distance(sample)
    if off > tolerance:
        raise IdentityError(
            f"{folder}, a run whose first uncached outputs, or their figures, were others (they differ by {off:.2g}, "
            f"relative; up to {tolerance:g} is rounding)",
            "a pipeline and a quality that do what they did when it was begun",
            f"restore what was changed (adapters, attention, callbacks, versions), or {_MEND}",
        )
    return identity


def describe_mismatch(what: str, own: Mapping[str, Any], before: Mapping[str, Any], mend: str = "") -> IdentityError:
    """Return the error that something is not what a run was begun with, naming what differs."""
    now, then = dict(_flat(own)), dict(_flat(before))
    changed = [name for name in dict.fromkeys([*now, *then]) if now.get(name, _ABSENT) != then.get(name, _ABSENT)]
    told = [f"{name} is {_shown(now, name)}, was {_shown(then, name)}" for name in changed[:SHOWN]]
    more = [f"and {len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
    given = f"{what} that differs from what the run was begun with: {'; '.join([*told, *more])}"
    return IdentityError(given, "the model, call and settings it was begun with", mend or _MEND)


def read(folder: Path) -> Identity | None:
    """Return the identity in a run's folder; None if there is none.

    Raises:
        IdentityError: if it is damaged, or of another version.
    """
    file = folder / FILE
    if not file.exists():
        return None
    try:
        document = sj.parse(sj.read_text(file))
        sj.check_keys(document, "the document", ["format", "version", "parts"], ["outputs", "figures"])
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            given = f"{short(document['format'])} of version {short(document['version'])}"
            raise CodecError(given, f"{FORMAT} of version {VERSION}", "use a new folder")
        parts = sj.read_object(document["parts"], "parts")
        for name, value in parts.items():
            if value is not None and not isinstance(value, (str, bool, int)):
                sj.read_number(value, f"parts.{name}")
        if "outputs" not in document:
            return Identity(parts)
        outputs, figures = (sj.read_list(document.get(name, []), name) for name in ("outputs", "figures"))
        return Identity(parts, Sample(_numbers(outputs, "outputs"), _numbers(figures, "figures")))
    except CodecError as error:
        given = f"{str(file)!r}, which is damaged ({error.given}, where {error.expected} is due)"
        raise IdentityError(given, "the identity of a run", f"restore it, or {_MEND}") from None


def write(folder: Path, identity: Identity) -> None:
    """Write an identity into a run's folder.

    Raises:
        CodecError: if it cannot be written.
    """
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION, "parts": dict(identity.parts)}
    if identity.sample is not None:
        for name in ("outputs", "figures"):
            numbers = getattr(identity.sample, name)
            document[name] = [float(f"{n:.7g}") if math.isfinite(n) else None for n in numbers]
    sj.write_text(folder / FILE, json.dumps(document, indent=1, allow_nan=False) + "\n")


_MEND = "use a new folder, with start (--start) to begin with this run's front"
_ABSENT = object()


def _numbers(values: Sequence[Any], where: str) -> tuple[float, ...]:
    return tuple(math.inf if value is None else sj.read_number(value, where) for value in values)


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Relative distance of two vectors; infinite if they are finite at different places."""
    if list(map(math.isfinite, one)) != list(map(math.isfinite, other)):
        return math.inf
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if math.isfinite(a)]
    norm = math.sqrt(sum(a * a for a, _ in pairs))
    off = math.sqrt(sum((a - b) ** 2 for a, b in pairs))
    return off / norm if norm else off


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Values by dotted names."""
    out: list[tuple[str, Any]] = []
    for name, value in values.items():
        out += _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, value)]
    return out


def _shown(values: Mapping[str, Any], name: str) -> str:
    return short(values[name]) if name in values else "absent"
