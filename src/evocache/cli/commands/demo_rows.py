"""Rows of the demo's table: what a contender's pictures are worth, and what they took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...metrics import psnr
from ...tables import Column, in_bytes, in_decibels, in_percent, table
from ...validation.contender import Contender
from .demo_contenders import Outcome

if TYPE_CHECKING:
    from rich.table import Table

    from ...zoo.judge import Judge
    from ...zoo.video_judge import VideoJudge


class Row:
    """A contender's figures, for tables and for machines.

    Args:
        contender: what was run.
        outcome: what it did.
        reference: what the uncached pipeline did.
        judge: tells whether pictures, or videos, show what was asked for.
        texts: the prompts.
    """

    def __init__(
        self, contender: Contender, outcome: Outcome, reference: Outcome, judge: Judge | VideoJudge, texts: list[str]
    ) -> None:
        self.contender, self.outcome = contender, outcome
        images = np.stack(outcome.images)
        frames = (-1, *images.shape[-3:])
        self.wrong = frozenset(np.flatnonzero(judge.accuracy(images, texts) < 1).tolist())
        self.psnr = float(psnr(images.reshape(frames), np.stack(reference.images).reshape(frames)).mean())
        self.speedups = outcome.timing.speedups_over(reference.timing)
        self.speedup = self.speedups.middle
        self.right = len(texts) - len(self.wrong)
        self.count = len(texts)

    @property
    def clocked(self) -> dict[str, float]:
        """Return its speed-up with quartiles, by the names that proofs have."""
        return self.speedups.named("speedup")

    @property
    def figures(self) -> dict[str, Any]:
        """Return its figures for JSON; the PSNR of identical images is null."""
        low, high = self.outcome.timing.quartiles
        schedule = self.contender.schedule
        return {
            "name": self.contender.name,
            "steps": self.contender.denoising_steps,
            "schedule": schedule.digest if schedule else None,
            "seconds_per_prompt": self.outcome.timing.median,
            "seconds_per_prompt_quartiles": [low, high],
            "rounds": len(self.outcome.timing.samples),
            "speedup": self.speedup,
            "speedup_quartiles": [self.speedups.low, self.speedups.high],
            "executed_fraction": self.outcome.executed,
            "peak_cached_bytes": self.outcome.peak_cached_bytes,
            "psnr_db": None if self.psnr == float("inf") else self.psnr,
            "prompt_accuracy": self.right / self.count,
        }


def tabulate_rows(rows: Sequence[Row], steps: int, what: str, width: int) -> Table:
    """Make the table of a demo: a line for each contender, groups apart.

    Args:
        rows: the uncached pipeline's first.
        steps: of the uncached pipeline.
        what: a prompt gives: `image` or `video`.
        width: columns of the terminal; what does not fit is left out.
    """
    numbers = (f"s/{what}", "speedup", "middle half", "executed", "cached", "PSNR", "prompts")
    ranks = {"cached": 3, "executed": 2, "middle half": 1}
    columns = [Column("", style="cyan", room="wrap")]
    columns += [Column(name, numeric=True, rank=ranks.get(name, 0)) for name in numbers]
    cells: list[Sequence[str] | None] = []
    for before, row in zip([rows[0], *rows], rows, strict=False):
        if before.contender.group != row.contender.group:
            cells.append(None)
        outcome, contender = row.outcome, row.contender
        cells.append(
            (
                contender.name if contender.group else f"{contender.name}, {steps} steps",
                f"{outcome.timing.median:.3f}",
                f"{row.speedup:.2f}x",
                str(row.speedups) if contender.group else "-",
                in_percent(outcome.executed),
                in_bytes(outcome.peak_cached_bytes) if contender.schedule else "-",
                in_decibels(row.psnr) if contender.group else "-",
                f"{row.right}/{row.count}",
            )
        )
    return table(columns, cells, width=width)
