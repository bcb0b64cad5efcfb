"""`evocache usage report`: what usage is like, and what a cache did and could do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ...ui.console import out
from ...ui.waits import Waits
from .sources import Source, read_requests

if TYPE_CHECKING:
    from ....usage.patterns.report import UsageReport


def report(
    source: Source,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only, on stdout.")] = False,
) -> None:
    """Report what repeats, who asks, what changed, and what caches did and could do; digests stand for names."""
    from ....usage.patterns.analysis import Analysis

    with Waits() as wait:
        requests = read_requests(source, wait)
        wait.count("analysing", len(requests))
        analysis = Analysis()
        for request in requests:
            analysis.add(request)
            wait.advance()
        found = analysis.report(policies=("lru", "gdsf", "s3fifo"))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
        return
    show(found)


def show(found: UsageReport) -> None:
    """Print a report."""
    from ....tables import Column, table
    from ....units import format_bytes

    console = out()
    console.print(f"{found.requests:,} requests, about {found.distinct:,.0f} different questions", markup=False)
    shares = f"{found.anybody:.1%} had been asked before, {found.own:.1%} by the same owner"
    console.print(f"of those whose question is known, {shares}", markup=False)
    if found.kinds:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.kinds.items())
        console.print(f"answered: {kinds}; hit rate {found.hit_rate:.1%}, {found.saved:,.0f} s saved", markup=False)
    owners = [[_name(one.owner), f"{one.requests:,}", f"{one.own:,}"] for one in found.owners[:5]]
    heads = (
        Column("owner", style="cyan"),
        Column("requests", numeric=True),
        Column("own repeats", numeric=True),
    )
    console.print(table(heads, owners, "who asks most", width=console.width))
    rows = [
        [format_bytes(room.max_bytes), name, f"{rate:.2%}"]
        for room in found.rooms
        for name, rate in [*room.hit_rates.items(), ("belady", room.best_offline), ("bound", room.bound)]
    ]
    heads = (Column("room"), Column("policy", style="cyan"), Column("hit rate", numeric=True))
    console.print(table(heads, rows, "what caches could do with the last requests", width=console.width))
    for point in found.drift[-5:]:
        console.print(f"drift at {point.now:,.0f}: {point.of} {point.before:.1%} to {point.after:.1%}", markup=False)
    said = "hit: answered from a stored result, none joined; belady: knows the future; bound: no policy has more hits"
    console.print(said, style="dim", markup=False)


def _name(digest: int | bytes) -> str:
    if not digest:
        return "nobody"
    return digest.hex()[:12] if isinstance(digest, bytes) else f"{digest:x}"[:12]
