"""`evocache usage report`: what usage is like, and what a cache did and could do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import InputError
from ...inputs.number_options import MAX_COUNT
from ...ui.console import out
from ...ui.waits import Waits
from .amounts import parse_room
from .outputs import check_out, write_out
from .report_display import show
from .sources import Source, name_source, stream_requests

if TYPE_CHECKING:
    from ....usage.patterns.report.contents import UsageReport

MOST = 300_000
"""Requests that are read, if no other number is asked for: half a minute, about."""

POLICIES = ("learned", "lru", "gdsf", "s3fifo")
"""Policies that are replayed."""


def report(
    source: Source,
    room: Annotated[
        list[str] | None,
        typer.Option(help="Bytes of a cache, such as 256MB, or a share of all answers; more than one may be named."),
    ] = None,
    requests: Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="Read so many at most, the last ones.")] = MOST,
    out_: Annotated[
        Path | None, typer.Option("--out", "-o", help="A page (.html) or all figures (.json) to write.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only, on stdout.")] = False,
) -> None:
    """Report what repeats, who asks, when, what changed, and what caches did and could do; digests stand for names."""
    from ....extras import optional

    for text in room or ():
        parse_room(text, 1)
    check_out(out_, (".html", ".json"))
    page = out_ is not None and out_.suffix.lower() == ".html"
    if page:
        optional("jinja2")  # what is asked for and cannot be done is told at once
    with Waits() as wait:
        found = analyse(source, room, requests, wait)
    title = name_source(source)
    if out_ is not None:
        write_out(out_, render(found, title) if page else format_json(found, title))
    if as_json:
        typer.echo(format_json(found, title))
        return
    show(found, title)
    if out_ is not None:
        out().print(str(out_), markup=False, soft_wrap=True)


def analyse(source: str, room: list[str] | None, most: int, wait: Waits) -> UsageReport:
    """Read a source and return its report.

    Raises:
        InputError: if there is no such file, or nothing in it.
        UsageError: if a line of it is wrong.
        StoreError: if the store cannot be read.
    """
    wait.predict(f"opening {name_source(source)}", 3)
    from ....units import format_bytes
    from ....usage.patterns.report.analysis import Analysis

    analysis = Analysis()
    with stream_requests(source, wait, most) as (requests, skipped):
        for request in requests:
            analysis.add(request)
    if not analysis.requests:
        raise InputError(f"{name_source(source)!r}, which has no requests", "requests", "record some first")
    whole = analysis.trace.whole
    rooms = None if room is None else sorted({parse_room(text, whole) for text in room})

    def watch(name: str, max_bytes: int, count: int) -> Callable[[int], None]:
        wait.count(f"replaying {name} with {format_bytes(max_bytes)}", count)
        return wait.advance

    return analysis.report(rooms, POLICIES, skipped=skipped, watch=watch)


def format_json(found: UsageReport, title: str) -> str:
    """Return all figures as JSON, with what they mean and what was sampled."""
    from ....usage.patterns.report.meaning import explain, tell_samples

    told: dict[str, Any] = {"meaning": dict(explain(found)), "sampled": list(tell_samples(found))}
    return json.dumps({"source": title, **found.to_dict(), **told}, indent=2)


def render(found: UsageReport, title: str) -> str:
    """Return the page."""
    from .... import __version__
    from ....report.usage.html_file import render_usage_page

    return render_usage_page(found, title, __version__)
