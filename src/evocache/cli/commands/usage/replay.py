"""`evocache usage replay`: a trace against eviction policies, with the offline bound beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...inputs.number_options import MAX_SEED
from ...ui.console import out
from ...ui.waits import Waits
from .amounts import parse_room
from .outputs import check_out, write_out
from .sources import Source, read_requests, trace_of

if TYPE_CHECKING:
    from ....usage.learn.comparison import Comparison, Standing

OFFLINE = "belady"
"""Stands beside the policies in any case."""

USUAL = ("learned", "lru", "gdsf", "s3fifo")


def replay(
    source: Source,
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", "-p", help=f"A policy; more than one may be named. {', '.join(USUAL)} if none is."),
    ] = None,
    room: Annotated[
        str, typer.Option(help="Bytes that each may hold, such as 256MB, or a share of all different answers.")
    ] = "1%",
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seeds what policies draw.")] = 0,
    out_: Annotated[Path | None, typer.Option("--out", "-o", help="A JSON file to write the figures into.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only, on stdout.")] = False,
) -> None:
    """Replay requests against eviction policies at equal bytes, with what knowing the future gains beside them.

    A published policy replays a million requests in seconds; the learned one takes some minutes, as it learns.
    """
    from ....usage.learn.comparison import compare
    from ....usage.learn.policies import policy_of

    names = tuple(name for name in dict.fromkeys(policy or USUAL) if name.strip().lower() != OFFLINE)
    for name in names:
        policy_of(name, 1)  # wrong ones are told before anything is read
    parse_room(room, 1)
    check_out(out_, (".json",))
    with Waits() as wait:
        trace = trace_of(read_requests(source, wait))

        def watch(name: str, requests: int) -> Callable[[int], None]:
            wait.count(f"replaying {name}", requests)
            return wait.advance

        found = compare(trace, parse_room(room, trace.whole), names, seed=seed, watch=watch)
    figures = json.dumps(asdict(found), indent=2)
    write_out(out_, figures)
    if as_json:
        typer.echo(figures)
        return
    show(found)
    if out_ is not None:
        out().print(str(out_), markup=False, soft_wrap=True)


def show(found: Comparison) -> None:
    """Print a comparison as a table, and below it what its words mean."""
    from ....tables import Column, table
    from ....units import format_bytes

    console = out()
    columns = (
        Column("policy", style="cyan"),
        Column("hit rate", numeric=True),
        Column("seconds saved", numeric=True, rank=1),
        Column("gap closed", numeric=True, rank=2),
        Column("evictions", numeric=True, rank=3),
        Column("decider changes", numeric=True, rank=4),
    )
    rows = [*map(_cells, found.policies), None, _cells(found.offline)]
    if not found.equal:
        rows.append(["bound", f"{found.bound:.2%}", "", "", "", ""])
    share = 100 * found.max_bytes / found.whole
    title = f"{found.requests:,} requests, {format_bytes(found.max_bytes)} each ({share:.3g}% of all answers' bytes)"
    console.print(table(columns, rows, title, width=console.width))
    console.print(explain(found), style="dim", markup=False)


def explain(found: Comparison) -> str:
    """Return what the words of the table mean."""
    if found.equal:
        bound = "belady: knows the future, the most hits there can be at equal bytes"
    else:
        bound = f"{found.offline.name}: knows the future; bound: no policy has more hits (PFOO-L; sizes differ)"
    gap = f"gap closed: from LRU's hits to {found.offline.name}'s"
    return f"hit: answered from a stored result, none joined; {gap}; {bound}"


def _cells(one: Standing) -> list[str]:
    gap = "" if one.gap_closed is None else f"{one.gap_closed:.0%}"
    changes = "" if one.changes is None else f"{one.changes:,}"
    return [one.name, f"{one.hit_rate:.2%}", f"{one.seconds_saved:,.0f}", gap, f"{one.evictions:,}", changes]
