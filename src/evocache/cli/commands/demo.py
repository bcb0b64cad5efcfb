"""`evocache demo`: what caching saves and what it costs, on an embedded model, to be seen by a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InputError
from ...loading.pipelines import load_pipeline
from ..inputs.model_loading import await_loading
from ..inputs.number_options import MAX_SEED
from ..ui.console import out
from ..ui.failures import make_folder
from ..ui.machine_info import describe_in_a_line, describe_machine
from ..ui.waits import Waits

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...zoo.models import Zoo
    from .demo_rows import Row

PICTURES, VIDEOS = 16, 8
"""How many prompts, where nothing else is said."""

FRAME = 125
"""Milliseconds that a frame of an animated sheet is shown."""


def demo(
    out_: Annotated[Path, typer.Option("--out", "-o", help="Folder of the contact sheet.")] = Path("evocache-demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only, on stdout.")] = False,
    model: Annotated[str, typer.Option("--model", "-m", help="An embedded model; see the README.")] = "zoo:emoji",
    video: Annotated[bool, typer.Option("--video", help="The embedded video model, and an animated sheet.")] = False,
    steps: Annotated[int, typer.Option(min=6, max=1000, help="Denoising steps of the uncached pictures.")] = 20,
    prompts: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Number of prompts; 16 pictures or 8 videos if not given.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Seed of the first prompt; each has the next one.")
    ] = 0,
) -> None:
    """Generate prompts uncached and under several schedules; print a table and save a contact sheet.

    Every schedule is shown next to the uncached model with fewer steps at the same cost.
    """
    from ...zoo.models import find

    began = perf_counter()
    target, shown = make_folder(out_), find("zoo:emoji-motion" if video else model)
    count = prompts or (VIDEOS if shown.moving else PICTURES)
    with Waits() as wait:
        rows, texts, facts = _measure(shown, steps, count, seed, wait)
    frames = _draw_sheets(shown, rows, texts, facts)
    sheet = target / ("contact-sheet.webp" if shown.moving else "contact-sheet.png")
    _save(frames, sheet)
    if as_json:
        machine = {"machine": facts, "sheet": str(sheet), "seconds": round(perf_counter() - began, 1)}
        settings = {"model": shown.name, "steps": steps, "prompts": texts, "seed": seed}
        typer.echo(
            json.dumps(
                {**settings, "rows": [row.figures for row in rows], "noise": describe_noise(rows), **machine}, indent=2
            )
        )
        return
    from .demo_rows import tabulate_rows

    console = out()
    console.print(tabulate_rows(rows, steps, "video" if shown.moving else "image", console.width))
    console.print()
    for note in _explain_figures(rows, facts):
        console.print(note, style="dim", markup=False)
    console.print(f"\nContact sheet: {sheet}", markup=False, soft_wrap=True)


def _measure(shown: Zoo, steps: int, count: int, seed: int, wait: Waits) -> tuple[list[Row], list[str], dict[str, Any]]:
    """Return rows, prompts, and what they were measured on."""
    await_loading(wait, shown.name)
    pipe = load_pipeline(shown.name)
    texts = [*shown.demo_prompts[:count], *shown.sample_prompts(max(0, count - len(shown.demo_prompts)), seed)]
    from ...model import discover
    from ...schedule.front import Front
    from .demo_contenders import REFERENCE, DemoTrial, choose_contenders
    from .demo_rows import Row

    entrants = choose_contenders(discover(pipe).tree, steps, Front.load(shown.front) if shown.front.is_file() else None)
    trial = DemoTrial(pipe, texts, seed, wait.advance)
    wait.count(f"generating in {len(entrants)} ways", trial.batches_of(entrants))
    outcomes = trial.run(entrants)
    judge, reference = shown.judge(), outcomes[REFERENCE]
    rows = [Row(c, outcomes[c.name], reference, judge, texts) for c in entrants]
    facts = {**describe_machine(str(pipe.device)), "batch": len(trial.batches[0]), "rounds": trial.rounds}
    facts["clock"] = trial.clock.name
    return rows, texts, facts


def _explain_figures(rows: Sequence[Row], facts: dict[str, Any]) -> list[str]:
    notes = [
        f"seconds: {facts['clock']}, median of {facts['rounds']} interleaved rounds, batch {facts['batch']}, decoding "
        "included; speedup: median of the rounds' ratios, and their middle half",
        "executed: share of the uncached run's attention, feed-forward and convolution calls; cached: most bytes of "
        "features held",
        "PSNR: to the uncached pictures; prompts: those of which the judge network sees what was asked for",
        describe_in_a_line(facts),
    ]
    return [*notes, *describe_noise(rows)]


def describe_noise(rows: Sequence[Row]) -> list[str]:
    """Say in sentences what disturbed the timings; the first row is that of the uncached pipeline."""
    from ...schedule.front.comparison import describe_noise as describe_figures

    return describe_figures({row.contender.name: row.clocked for row in rows[1:]})


def _draw_sheets(shown: Zoo, rows: Sequence[Row], texts: Sequence[str], facts: dict[str, Any]) -> list[Image]:
    """Draw the contact sheet; of videos, one for each frame."""
    from ...report.figures.contact_sheet import SheetColumn, draw_contact_sheet
    from ...tables import in_decibels

    heads = {}
    for row in rows:
        right = f"{row.right}/{row.count} right"
        speed = (f"{row.speedup:.2f}x ({row.speedups})", in_decibels(row.psnr))
        figures = (*speed, right) if row.contender.group else ("1x", "", right)
        heads[row.contender.name] = SheetColumn(row.contender.name, figures, row.contender.group, row.wrong)
    columns = {row.contender.name: row.outcome.images for row in rows}
    frames = zip(*(zip(*(video for video in videos), strict=True) for videos in columns.values()), strict=True)
    moments = frames if shown.moving else [tuple(columns.values())]
    return [
        draw_contact_sheet(
            dict(zip(columns, moment, strict=True)),
            texts,
            heads,
            title=f"{shown.name}: the same prompts and seeds, uncached and at a part of the cost",
            footer="Speed-up and PSNR are relative to the uncached ones. A red frame: the judge network sees something "
            f"else than the prompt.\n{describe_in_a_line(facts)}",
        )
        for moment in moments
    ]


def _save(frames: Sequence[Image], path: Path) -> None:
    first, *rest = frames
    try:
        if rest:
            first.save(path, save_all=True, append_images=rest, duration=FRAME, loop=0, quality=90)
        else:
            first.save(path)
    except OSError as error:
        given = f"{str(path)!r} ({(error.strerror or 'cannot be written').lower()})"
        raise InputError(given, "a file that can be written", "choose another --out") from None
