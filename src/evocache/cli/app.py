"""The application: its commands, its global options, and how it fails."""

from __future__ import annotations

from typing import Annotated

import typer

from .commands.demo import demo
from .commands.evolve import evolve
from .commands.front import front
from .commands.generate import generate
from .commands.inspect import inspect
from .commands.keys import keys
from .commands.plan import plan
from .commands.play import play
from .commands.policies import policies
from .commands.report import report
from .commands.schedule import schedule
from .commands.serve import serve
from .commands.usage.group import usage
from .ui.command_line import Command, Group
from .ui.failures import format_examples

app = typer.Typer(
    name="evocache",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=format_examples(
        "evocache demo", "evocache inspect zoo:emoji", 'evocache generate "fox on a pink background"'
    ),
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"evocache {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and all warnings; goes before the command.")
    ] = False,
) -> None:
    """Faster, lighter diffusers pipelines: compute fewer features, reuse or forecast the rest."""


app.command(
    cls=Command, epilog=format_examples("evocache demo", "evocache demo --out demo --prompts 4", "evocache demo --json")
)(demo)
app.command(
    cls=Command,
    epilog=format_examples(
        'evocache generate "red heart on a white background" "rocket on a navy background"',
        "evocache generate --prompts prompts.tsv --schedule fora:2 --out images",
        "evocache generate cactus --schedule runs/emoji --speedup 2",
        "evocache generate -m PixArt-alpha/PixArt-XL-2-256x256 cactus --schedule fora:3 --steps 20",
    ),
)(generate)
app.command(
    cls=Command,
    epilog=format_examples(
        "evocache inspect zoo:emoji",
        "evocache inspect ./my-pipeline --depth 4",
        "evocache inspect arch:flux-dev-1024 --schedule fora:3",
    ),
)(inspect)
app.command(
    cls=Command,
    epilog=format_examples(
        "evocache plan -m zoo:emoji --schedule fora:2",
        "evocache plan -m stabilityai/stable-video-diffusion-img2vid-xt --frames 25 --dtype float16 --memory 10GB",
        "evocache plan -m ./my-pipeline --memory 8GB --plot memory.png",
    ),
)(plan)
app.command(
    cls=Command,
    epilog=format_examples(
        "evocache evolve --time 10m --out runs/emoji",
        "evocache evolve -m ./my-pipeline --prompts prompts.txt --steps 20 --out runs/mine",
    ),
)(evolve)
app.command(cls=Command, epilog=format_examples("evocache front runs/emoji", "evocache front runs/emoji --json"))(front)
app.command(
    cls=Command,
    epilog=format_examples("evocache report runs/emoji", "evocache report runs/emoji --out emoji.html --no-png"),
)(report)
app.command(
    cls=Command,
    epilog=format_examples(
        "evocache serve",
        "evocache serve -m ./my-pipeline --front runs/mine --memory 10GB --folder served",
        "evocache serve -m small=zoo:emoji -m film=zoo:emoji-motion --port 0",
    ),
)(serve)
app.command(
    cls=Command,
    epilog=format_examples("evocache play", "evocache play -m zoo:emoji -m zoo:emoji-motion --port 0"),
)(play)
app.add_typer(schedule, name="schedule")
app.add_typer(usage, name="usage")
app.add_typer(keys, name="keys")
app.command(cls=Command, epilog=format_examples("evocache policies", "evocache policies --json"))(policies)
