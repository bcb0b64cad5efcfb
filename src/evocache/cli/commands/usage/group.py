"""`evocache usage`: the commands of the learning cache, by name."""

from __future__ import annotations

import typer

from ...ui.command_line import Command
from ...ui.failures import format_examples
from .demo import demo
from .owners import delete, export
from .replay import replay
from .report import report

usage = typer.Typer(no_args_is_help=True, help="See what a learning cache gains, and what is known of who uses it.")

usage.command(
    cls=Command,
    epilog=format_examples(
        "evocache usage replay requests.csv",
        "evocache usage replay requests.jsonl --policy learned --policy gdsf --room 256MB",
        "evocache usage replay usage.db --room 5% --json",
    ),
)(replay)
usage.command(
    cls=Command,
    epilog=format_examples("evocache usage demo", "evocache usage demo --seconds 20 --out race.png"),
)(demo)
usage.command(
    cls=Command,
    epilog=format_examples("evocache usage export usage.db --user ann --out ann.jsonl"),
)(export)
usage.command(
    cls=Command,
    epilog=format_examples("evocache usage delete usage.db --user ann --disk answers --shared valkey://host"),
)(delete)
usage.command(
    cls=Command,
    epilog=format_examples(
        "evocache usage report usage.db --out report.html",
        "evocache usage report requests.csv --room 256MB --room 1GB",
        "evocache usage report postgresql://host/usage --requests 100000 --json",
    ),
)(report)
