"""`evocache report`: a run as a page to explore, and as pictures for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...errors import InputError
from ..ui.console import out


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run, ended or not.")],
    out_: Annotated[
        Path | None, typer.Option("--out", "-o", help="The HTML file; report.html in the run's folder if not given.")
    ] = None,
    png: Annotated[bool, typer.Option("--png/--no-png", help="Write plots for papers beside it.")] = True,
) -> None:
    """Write a report of a run: one HTML file that works offline, and plots as PNG files."""
    if not run.is_dir():
        missing = "which is no folder" if run.exists() else "which does not exist"
        raise InputError(f"{str(run)!r}, {missing}", "the folder of a run", "check the path")
    from ...report.page.html_file import render_page
    from ...report.run.run_contents import gather_contents

    contents = gather_contents(run)
    target = out_ or run / "report.html"
    written = [target]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render_page(contents), encoding="utf-8")
        if png:
            from ...report.figures.plots import write_plots

            written += write_plots(contents, target.parent)
    except OSError as error:
        why = (error.strerror or "cannot be written").lower()
        raise InputError(f"{str(target)!r} ({why})", "a file that can be written", "choose another --out") from None
    if not contents.proven:
        out().print(
            "not proven yet: speed-ups are predicted, quality is that of the search", style="yellow", markup=False
        )
    for path in written:
        out().print(str(path), markup=False, soft_wrap=True)
