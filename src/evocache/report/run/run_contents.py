"""What a report shows of a run, gathered from its folder."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import RunError
from ...schedule import Schedule
from ...schedule.front.front_file import FILE
from ...schedule.front.front_table import describe_memory
from ...search.calibrate.calibration_file import Calibration, read_calibration
from ...search.evaluate.quality import Quality, quality
from ...search.storage.journal import JOURNAL
from ...tables import plan_of
from ...validation.proof_file import Basis, Proof, read_proof
from .history import History, read_history
from .importance import Importance, compare_cells

BUILT_IN = ("latent", "psnr", "ssim")
"""Qualities that can be shown without running a user's code."""

MOST_PICTURE_BYTES = 4_000_000
"""Longest picture file that is taken into a report."""


@dataclass(frozen=True)
class Entry:
    """Something in the report's plots: a point, a policy, fewer steps, or the uncached pipeline.

    Attributes:
        name: what it is called.
        group: `front`, `beaten`, `seed`, `steps` (points of the front that are no more than that, too) or `uncached`.
        figures: as in `Proof`; of an unproven run only `speedup` and `calibration quality`, both as predicted.
        schedule: if it has one.
        strip: its pictures as a data URI; empty if there are none.
        plan: how it is kept small, in short; empty if it is left as it is.
        by: what beat it, if something did.
    """

    name: str
    group: str
    figures: Mapping[str, float]
    schedule: Schedule | None = None
    strip: str = ""
    plan: str = ""
    by: str = ""


@dataclass(frozen=True)
class Contents:
    """What a report shows.

    Attributes:
        title: of the run.
        entries: the front from the fastest to the slowest, then what it is held against.
        basis: what was measured on; None for a run that was not proven.
        prompts: of the pictures.
        history: how the search went, if its journal is there.
        importance: of cells, if enough schedules were evaluated.
        calibration: with how well latency is predicted, if it is there.
        quality: name of the quality.
        unit: of its figures.
        steps: of the uncached pipeline; 0 where that is not known.
        noise: what is to be said of the timings, as sentences.
    """

    title: str
    entries: tuple[Entry, ...]
    basis: Basis | None
    prompts: tuple[str, ...]
    history: History | None
    importance: Importance | None
    calibration: Calibration | None
    quality: str
    unit: str
    steps: int = 0
    noise: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether figures were measured, not only predicted and searched."""
        return self.basis is not None

    @property
    def head(self) -> str:
        """What the figures that were proven are called, by what was kept from the search."""
        return self.basis.head if self.basis is not None else "calibration"

    @property
    def side(self) -> str:
        """What the axis of the main quality is of."""
        return self.basis.side if self.basis is not None else "calibration prompts"

    @property
    def axis(self) -> str:
        """The quality as an axis is labelled with."""
        return f"{self.quality} ({self.unit})" if self.unit else self.quality

    @property
    def main(self) -> str:
        """The figure that is shown as quality: the one that was proven, where it was."""
        return "quality" if self.proven else "calibration quality"

    @property
    def mixed(self) -> bool:
        """Whether the entries' schedules have several numbers of steps."""
        return len({entry.schedule.steps for entry in self.entries if entry.schedule is not None}) > 1

    @property
    def residual(self) -> bool:
        """Whether quality is a distance to the uncached outputs, of which they have none themselves."""
        return self.basis is not None and self.basis.residual

    @property
    def caches(self) -> bool:
        """Whether an entry is known to keep features."""
        return any(entry.figures.get("memory") for entry in self.entries)

    @property
    def counts_peaks(self) -> bool:
        """Whether it was counted how many bytes whole calls hold."""
        return any("peak" in entry.figures for entry in self.entries)

    def is_exact(self, entry: Entry) -> bool:
        """Return whether an entry is the uncached pipeline where quality is a distance to its outputs."""
        return entry.group == "uncached" and self.residual

    def executed(self, schedule: Schedule) -> float:
        """Return the share of the uncached pipeline's executions of leaves that a schedule has."""
        return schedule.executed_fraction() * schedule.steps / (self.steps or schedule.steps)

    def group(self, name: str) -> list[Entry]:
        """Return the entries of a group, from the fastest to the slowest."""
        return sorted((e for e in self.entries if e.group == name), key=lambda e: -e.figures["speedup"])


def gather_contents(run: Path) -> Contents:
    """Gather what there is to show of a run's folder.

    Raises:
        RunError: if it is no run's folder, nothing was evaluated in it, or a file in it is damaged.
    """
    if not run.is_dir():
        raise RunError(f"{str(run)!r}", "the folder of a run", "name the folder that evolve wrote")
    proof = read_proof(run) if (run / FILE).exists() else None
    history = None
    if proof is None or (run / JOURNAL).exists():
        history = read_history(run)
    calibration = read_calibration(run)
    points = history.points if history else ()
    judge = _judge(history)
    if proof is not None:
        entries = _proven(run, proof)
    elif history is not None and points:
        entries = _searched(history, calibration, judge)
    else:
        raise RunError(f"{str(run)!r}, where nothing was evaluated to the end", "a run with schedules", "evolve on")
    return Contents(
        title=run.resolve().name,
        entries=tuple(entries),
        basis=proof.basis if proof else None,
        prompts=proof.pictures.prompts if proof else (),
        history=history,
        importance=compare_cells(points, history.steps) if history else None,
        calibration=calibration,
        quality=proof.basis.quality if proof else judge.name,
        unit=proof.basis.unit if proof else judge.unit,
        noise=tuple(proof.noise) if proof else (),
        steps=proof.front.uncached_steps if proof else history.steps if history else 0,
    )


def _proven(run: Path, proof: Proof) -> list[Entry]:
    """The measured front and what it was held against."""
    files = proof.pictures.files
    found = []
    for name, point in zip(proof.names, proof.front, strict=True):
        group = "steps" if proof.front.is_fewer_steps(point) else "front"
        found.append(
            Entry(name, group, point.measured, point.schedule, _strip(run, files.get(name)), describe_memory(point))
        )
    for name, baseline in proof.baselines.items():
        strip = _strip(run, files.get(name))
        plan = plan_of(baseline.storage, baseline.budget)
        found.append(Entry(name, baseline.group, baseline.measured, baseline.schedule, strip, plan, baseline.by))
    return found


def _searched(history: History, calibration: Calibration | None, judge: Quality) -> list[Entry]:
    """The current front of a run that was not proven: calibration quality over predicted speed-up."""

    def seconds(schedule: Schedule) -> float:
        return calibration.costs.latency(schedule) if calibration else schedule.executed_fraction() * schedule.steps

    full = Schedule.full(history.points[0].schedule.tree, history.steps)
    found = []
    for number, point in enumerate(history.front(seconds)):
        figures = {
            "speedup": seconds(full) / point.objectives["seconds"],
            "calibration quality": judge.shown(point.objectives["error"]),
        }
        if calibration is not None:
            figures["memory"] = calibration.costs.memory(point.schedule)
        fewer = point.schedule.is_full and point.schedule.steps < history.steps
        name, group = f"front {number}", "steps" if fewer else "front"
        found.append(Entry(name, group, figures, point.schedule, plan=describe_memory(point)))
    return found


def _judge(history: History | None) -> Quality:
    """How the run's errors are shown; a user's reward is not loaded for it."""
    name = (history.judge if history else "") or "quality"
    return quality(name) if name in BUILT_IN else Quality(name, "np", lambda *_: [])


def _strip(run: Path, file: str | None) -> str:
    """A picture file as a data URI; nothing if it is not there, or is no PNG file of a reasonable size."""
    try:
        data = (run / file).read_bytes() if file else b""
    except OSError:
        return ""
    if not data.startswith(b"\x89PNG") or len(data) > MOST_PICTURE_BYTES:
        return ""
    return "data:image/png;base64," + base64.b64encode(data).decode()
