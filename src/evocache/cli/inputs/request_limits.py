"""What a server takes at most in one request, and how long it keeps results, as options."""

from __future__ import annotations

from typing import Annotated

import typer

from .number_options import check_amount, check_finite

PANEL = "Limits"

MaxPixels = Annotated[
    int,
    typer.Option(
        min=64, max=10**12, rich_help_panel=PANEL, help="Most pixels of a picture, or of all frames of a film."
    ),
]
MaxSteps = Annotated[int, typer.Option(min=1, max=1000, rich_help_panel=PANEL, help="Most steps of a generation.")]
MaxPictures = Annotated[int, typer.Option(min=1, max=10, rich_help_panel=PANEL, help="Most pictures of a request.")]
MaxPrompt = Annotated[int, typer.Option(min=1, max=32_000, rich_help_panel=PANEL, help="Most characters of a prompt.")]
KeepDays = Annotated[
    float,
    typer.Option(
        rich_help_panel=PANEL,
        callback=check_finite("--keep-days", above=0),
        help="Days that videos and promised pictures are kept.",
    ),
]
ResultsRoom = Annotated[
    str,
    typer.Option(
        "--results",
        rich_help_panel=PANEL,
        callback=check_amount,
        help="Room on the disk for videos and promised pictures; the oldest leave first.",
    ),
]
