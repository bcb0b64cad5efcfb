"""What `--schedule` means: a file, a policy, or, with a wish, a point of the front that a run has proven.

All of it is read before a model is loaded for it, so that what is wrong is told at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    from ...policies import Gate, Policy
    from ...schedule import Schedule
    from ...schedule.front import Point
    from ...validation.proof_file import Proof

WISHES = {"speedup": "--speedup", "quality": "--min-quality", "memory": "--memory"}


@dataclass(frozen=True)
class Choice:
    """What is applied.

    Attributes:
        what: as `evocache.apply` takes it.
        name: in file names and metadata.
        description: what was measured of it, in words; empty for what comes from no front.
        digest: of its cells, where its name does not tell them; None for policies.
    """

    what: Policy | Gate | Schedule | Point
    name: str
    description: str = ""
    digest: str | None = None

    @property
    def steps(self) -> int | None:
        """Steps that it is to be run with; None if it does not say."""
        from ...schedule.front import Point

        return self.what.steps if isinstance(self.what, Point) else None

    def asking(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call, with the steps of this choice where they name none."""
        if self.steps is None or wanted.keys() & {"num_inference_steps", "timesteps", "sigmas"}:
            return {**wanted}
        return {**wanted, "num_inference_steps": self.steps}


def pick(
    schedule: str | None,
    speedup: float | None,
    quality: float | None,
    memory: str | None = None,
    *,
    holds: str | None = None,
    model: str | None = None,
) -> Choice | None:
    """Return what a user chose; None for the uncached pipeline.

    Where a speed-up or a quality is asked for and no schedule is named, it is of the front that ships with the model.

    Args:
        schedule: a spec, a file, or a run.
        speedup: with a run: what a point must reach.
        quality: likewise.
        memory: likewise: the most that it may hold.
        holds: what a generation may hold, whatever the schedule; of a run's points, one that keeps it.
        model: the model that is run.

    Raises:
        InputError: if a front is named without a wish, or a wish without a front.
        FrontError: if no point meets the wish; it names the nearest.
        RunError: if the front cannot be read.
    """
    shipped = ""
    if model is not None and schedule is None and (speedup is not None or quality is not None):
        shipped, schedule = model, find_shipped_front(model)
    given = {"speedup": speedup, "quality": quality, "memory": memory}
    if schedule is not None and memory is None and is_front(schedule):
        given["memory"] = memory = holds
    wishes = {name: value for name, value in given.items() if value is not None}
    if schedule is None or not is_front(schedule):
        if wishes and schedule is not None and _is_path(schedule):
            raise _describe_missing(schedule)
        if wishes:
            options = ", ".join(WISHES[name] for name in wishes)
            raise InputError(
                f"{options} with {schedule or 'no schedule'}",
                "the folder of a run",
                "name one with --schedule runs/emoji"
                + (f"; no front ships with {shipped}: evocache evolve -m {shipped}" if shipped else ""),
            )
        return None if schedule is None else read_choice(schedule)
    from ...validation.proof_file import read_proof

    proof = read_proof(schedule)
    if not wishes:
        raise InputError(
            f"the front {schedule!r} without a bound", f"one of {describe_reach(proof)}", "add --speedup 2"
        )
    point = proof.front.pick(speedup=speedup, quality=quality, memory=memory)
    name = proof.names[proof.front.points.index(point)]
    shown = f"{shipped or Path(schedule).resolve().name} {name}"
    return Choice(point, shown, f"{name}: {describe_choice(point, proof)}", point.schedule.digest)


def find_shipped_front(model: str) -> str | None:
    """Find the front beside the weights of a zoo model, or in a pipeline's folder; None if there is none."""
    from ... import zoo

    known = model.startswith("zoo:") or f"zoo:{model}" in zoo.names()
    file = zoo.find(model).front if known else Path(model).expanduser() / "front.json"
    return str(file) if file.is_file() else None


def read_choice(schedule: str) -> Choice:
    """Read a policy's spec or a schedule's file; neither needs a model.

    Raises:
        InputError: if there is no such file, or the policy's own file is not there.
        PolicyError: if it is no policy, or its parameters do not fit.
        ScheduleError: if the file holds no schedule.
    """
    from ...policies import is_spec, parse

    path = Path(schedule).expanduser()
    if not is_spec(schedule):
        if path.is_file():
            from ...schedule import load

            found = load(path)
            return Choice(found, path.stem, digest=found.digest)
        if _is_path(schedule):
            raise _describe_missing(schedule)
    policy = parse(schedule)
    file = getattr(policy, "file", "") or getattr(policy, "calibration", "")
    if file and not Path(file).exists():
        raise InputError(
            f"{policy.spec}, whose file {file!r} does not exist",
            "the file or the run that it was calibrated with",
            f"write {policy.usage}",
        )
    return Choice(policy, policy.spec)


def _is_path(schedule: str) -> bool:
    """Whether a text that names nothing can only have been meant as a path."""
    from ...policies import is_spec

    path = Path(schedule)
    return not is_spec(schedule) and not path.exists() and (path.suffix == ".json" or len(path.parts) > 1)


def _describe_missing(schedule: str) -> InputError:
    return InputError(
        f"{schedule!r}, which does not exist", "an existing file, a run's folder or a policy", "check the path"
    )


def is_front(schedule: str) -> bool:
    """Return whether a text names a folder, which may be a run's, or a front's file."""
    from ...schedule.front import front_file

    return front_file.is_front(schedule)


def describe_reach(proof: Proof) -> str:
    """Describe each bound that can be given, with what the front's points reach."""
    from ...tables import in_bytes, in_figures

    unit = f" {proof.basis.unit}" if proof.basis.unit else ""
    shown = {
        "speedup": lambda value: f"{value:.2f}",
        "quality": in_figures,
        "memory": in_bytes,
    }
    parts = []
    for name, option in WISHES.items():
        sold = [point for point in proof.front if point.sold]
        found = (point.held if name == "memory" else point.figure(name) for point in sold)
        values = [value for value in found if value is not None]
        if values:
            ends = " to ".join(shown[name](value) for value in (min(values), max(values)))
            parts.append(f"{option} ({ends}{unit if name == 'quality' else ''})")
    return ", ".join(parts) or "nothing, since the front is empty"


def describe_choice(point: Point, proof: Proof) -> str:
    """Describe in a line what was measured of a point, and how its memory is kept small."""
    from ...schedule.front.comparison import find_spread
    from ...schedule.front.front_table import describe_memory, format_peak
    from ...tables import in_bytes, in_figures

    measured = point.measured
    unit = f" {proof.basis.unit}" if proof.basis.unit else ""
    half = find_spread(measured)
    parts = [f"{measured['speedup']:.2f}x" + (f" ({half})" if half else "")]
    parts.append(f"{in_figures(measured['quality'])}{unit}")
    if "memory" in measured:
        parts.append(f"{in_bytes(measured['memory'])} cached")
    if held := format_peak(measured):
        parts.append(f"peak {held}")
    how = describe_memory(point)
    return ", ".join(parts) + " when it was proven" + (f" ({how})" if how else "")
