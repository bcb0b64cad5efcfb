"""`evocache demo`: what caching saves and what it costs, on the embedded model, to be seen by a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import out, progress
from .failures import InputError, folder
from .load import load_pipeline
from .machine import describe, sentence

if TYPE_CHECKING:
    from rich.table import Table

    from .trial import Contender, Outcome

MODEL = "zoo:emoji"

BUSY = 0.3
"""Spread of a contender's times above which the machine was not its own."""


def demo(
    out_: Annotated[Path, typer.Option("--out", "-o", help="Folder of the contact sheet.")] = Path("evocache-demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only, on stdout.")] = False,
    steps: Annotated[int, typer.Option(min=6, max=1000, help="Denoising steps of the uncached pictures.")] = 20,
    prompts: Annotated[int, typer.Option(min=1, max=1000, help="Number of prompts.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first prompt; each has the next one.")] = 0,
) -> None:
    """Generate prompts uncached and under several schedules; print a table and save a contact sheet.

    Every schedule is shown next to the uncached model with fewer steps at the same cost.
    """
    began = perf_counter()
    target = folder(out_)
    with progress() as bar:
        task = bar.add_task(f"loading {MODEL}", total=None)
        rows, texts, facts = _measured(steps, prompts, seed, lambda **news: bar.update(task, **news))
    sheet = target / "contact-sheet.png"
    _save(_sheet(rows, texts, facts), sheet)
    if as_json:
        machine = {"machine": facts, "sheet": str(sheet), "seconds": round(perf_counter() - began, 1)}
        settings = {"model": MODEL, "steps": steps, "prompts": texts, "seed": seed}
        typer.echo(json.dumps({**settings, "rows": [row.figures for row in rows], **machine}, indent=2))
        return
    console = out()
    console.print(_table(rows, steps))
    console.print()
    for note in _notes(rows, facts):
        console.print(note, style="dim", markup=False)
    console.print(f"\nContact sheet: {sheet}", markup=False, soft_wrap=True)


class Row:
    """A contender's figures, for tables and for machines."""

    def __init__(self, contender: Contender, outcome: Outcome, reference: Outcome, judge: Any, texts: list[str]):
        import numpy as np

        from ..metrics import psnr

        self.contender, self.outcome = contender, outcome
        images = np.stack(outcome.images)
        scores = [judge.score(image[None], [text]) for image, text in zip(images, texts, strict=True)]
        self.wrong = frozenset(i for i, score in enumerate(scores) if score.top1 < 1)
        self.psnr = float(psnr(images, np.stack(reference.images)).mean())
        self.speedup = outcome.timing.speedup_over(reference.timing)
        self.right = len(texts) - len(self.wrong)
        self.count = len(texts)

    @property
    def figures(self) -> dict[str, Any]:
        """What JSON gets; the PSNR of identical images is null."""
        low, high = self.outcome.timing.quartiles
        schedule = self.contender.schedule
        return {
            "name": self.contender.name,
            "steps": self.contender.steps,
            "schedule": schedule.digest if schedule else None,
            "seconds_per_image": self.outcome.timing.median,
            "seconds_per_image_quartiles": [low, high],
            "rounds": len(self.outcome.timing.samples),
            "speedup": self.speedup,
            "executed_fraction": self.outcome.executed,
            "peak_cached_bytes": self.outcome.peak_cached_bytes,
            "psnr_db": None if self.psnr == float("inf") else self.psnr,
            "prompt_accuracy": self.right / self.count,
        }


def _measured(steps: int, prompts: int, seed: int, update: Any) -> tuple[list[Row], list[str], dict[str, Any]]:
    """Rows, prompts, and what they were measured on; `update` is told how far it is."""
    texts = _prompts(prompts, seed)
    pipe, defaults = load_pipeline(MODEL)
    from ..model import discover
    from ..schedule.front import Front
    from ..zoo.judge import Judge
    from ..zoo.load import find
    from .trial import REFERENCE, Trial, contenders

    front = find(MODEL).front
    entrants = contenders(discover(pipe).tree, steps, Front.load(front) if front.is_file() else None)
    done = -2

    def advance(name: str) -> None:
        nonlocal done
        done += 1
        update(description=name, completed=max(done, 0))

    trial = Trial(pipe, defaults, texts, seed, advance)
    update(total=len(entrants) * trial.rounds)
    outcomes = trial.run(entrants)
    judge, reference = Judge.load(), outcomes[REFERENCE]
    rows = [Row(c, outcomes[c.name], reference, judge, texts) for c in entrants]
    facts = {**describe(str(pipe.device)), "batch": len(trial.batches[0]), "rounds": trial.rounds}
    return rows, texts, facts


def _prompts(count: int, seed: int) -> list[str]:
    from ..zoo.prompts import DEMO_PROMPTS, sample_prompts

    return [*DEMO_PROMPTS[:count], *sample_prompts(max(0, count - len(DEMO_PROMPTS)), seed)]


def _table(rows: Sequence[Row], steps: int) -> Table:
    from ..report.tables import Column, in_bytes, in_decibels, in_percent, table

    numbers = ("s/image", "speedup", "executed", "cached", "PSNR", "prompts")
    columns = [Column("", style="cyan"), *(Column(name, numeric=True) for name in numbers)]
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
                in_percent(outcome.executed),
                in_bytes(outcome.peak_cached_bytes) if contender.schedule else "-",
                in_decibels(row.psnr) if contender.group else "-",
                f"{row.right}/{row.count}",
            )
        )
    return table(columns, cells)


def _notes(rows: Sequence[Row], facts: dict[str, Any]) -> list[str]:
    notes = [
        f"s/image: median of {facts['rounds']} interleaved rounds, batch {facts['batch']}, decoding included;"
        " speedup: median of the rounds' ratios",
        "executed: share of the uncached run's attention and feed-forward calls; cached: most bytes of features held",
        "PSNR: to the uncached pictures; prompts: pictures in which the judge network sees what was asked for",
        sentence(facts),
    ]
    if max(row.outcome.timing.spread for row in rows) > BUSY:
        notes.append(
            "The rounds' times differ much: something else ran on this machine, so take the speedups with care"
        )
    return notes


def _sheet(rows: Sequence[Row], texts: Sequence[str], facts: dict[str, Any]) -> Any:
    from ..report.sheet import SheetColumn, contact_sheet
    from ..report.tables import in_decibels

    heads = {}
    for row in rows:
        right = f"{row.right}/{row.count} right"
        figures = (f"{row.speedup:.2f}x", in_decibels(row.psnr), right) if row.contender.group else ("1x", "", right)
        heads[row.contender.name] = SheetColumn(row.contender.name, figures, row.contender.group, row.wrong)
    return contact_sheet(
        {row.contender.name: row.outcome.images for row in rows},
        texts,
        heads,
        title=f"{MODEL}: the same prompts and seeds, uncached and at a part of the cost",
        footer="Speed-up and PSNR are relative to the uncached pictures. A red frame: the judge network sees something "
        f"else than the prompt.\n{sentence(facts)}",
    )


def _save(sheet: Any, path: Path) -> None:
    try:
        sheet.save(path)
    except OSError as error:
        given = f"{str(path)!r} ({(error.strerror or 'cannot be written').lower()})"
        raise InputError(given, "a file that can be written", "choose another --out") from None
