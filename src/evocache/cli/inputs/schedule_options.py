"""Options that name a schedule, and a point of a run's front; several commands share them."""

from __future__ import annotations

from typing import Annotated

import typer

from .number_options import check_amount, check_finite
from .storage_names import check_storage

Schedule = Annotated[
    str | None,
    typer.Option(
        "--schedule",
        "-s",
        metavar="FILE|SPEC|RUN",
        help="A schedule file, a policy such as fora:2, or a run's folder.",
    ),
]
Speedup = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="From a run's front, or the model's own: least speed-up over the uncached pipeline.",
        callback=check_finite("--speedup", above=0),
    ),
]
MinQuality = Annotated[
    float | None,
    typer.Option(
        metavar="Q",
        help="From a run's front, or the model's own: least quality, in its unit.",
        callback=check_finite("--min-quality"),
    ),
]
PointMemory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="From a run's front: most memory, such as 2GB; of cached features, if no peak was searched.",
        callback=check_amount,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Most memory of a generation, weights included, such as 8GB; from a run's front, a point within it.",
        callback=check_amount,
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Type that features are stored in: none, bf16, fp8 or int8; the point's own if not given.",
        callback=check_storage,
    ),
]
