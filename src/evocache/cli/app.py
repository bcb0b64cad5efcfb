"""The application: its commands, its global options, and how it fails."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .commands.demo import demo
from .commands.evolve import evolve
from .commands.front import front
from .commands.generate import generate
from .commands.inspect import inspect
from .commands.plan import plan
from .commands.policies import policies
from .commands.report import report
from .commands.schedule import schedule
from .ui.console import errors, quiet
from .ui.failures import examples, show


class Forgiving(typer.core.TyperGroup):
    """Shows our own errors as short messages with exit code 2, and third-party warnings not at all."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        from ..errors import Error

        if ctx.params.get("debug"):
            return super().invoke(ctx)
        with quiet():
            try:
                return super().invoke(ctx)
            except Error as error:
                errors().print(show(error))
                raise typer.Exit(2) from None


app = typer.Typer(
    name="evocache",
    cls=Forgiving,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("evocache demo", "evocache inspect zoo:emoji", 'evocache generate -p "fox on a pink background"'),
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"evocache {version('evocache')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and all warnings; goes before the command.")
    ] = False,
) -> None:
    """Faster, lighter diffusers pipelines: compute fewer features, reuse or forecast the rest."""


app.command(epilog=examples("evocache demo", "evocache demo --out demo --prompts 4", "evocache demo --json"))(demo)
app.command(
    epilog=examples(
        'evocache generate -p "red heart on a white background" -p "rocket on a navy background"',
        "evocache generate --prompts prompts.tsv --schedule fora:2 --out images",
        "evocache generate -p cactus --schedule runs/emoji --speedup 2",
        "evocache generate -m PixArt-alpha/PixArt-XL-2-256x256 -p cactus --schedule fora:3 --steps 20",
    )
)(generate)
app.command(
    epilog=examples(
        "evocache inspect zoo:emoji",
        "evocache inspect ./my-pipeline --depth 4",
        "evocache inspect arch:flux-dev-1024 --schedule fora:3",
    )
)(inspect)
app.command(
    epilog=examples(
        "evocache plan -m zoo:emoji --schedule fora:2",
        "evocache plan -m stabilityai/stable-video-diffusion-img2vid-xt --frames 25 --dtype float16 --budget 10GB",
        "evocache plan -m ./my-pipeline --budget 8GB --plot memory.png",
    )
)(plan)
app.command(
    epilog=examples(
        "evocache evolve --budget 10m --out runs/emoji",
        "evocache evolve -m ./my-pipeline --prompts prompts.txt --steps 20 --out runs/mine",
    )
)(evolve)
app.command(epilog=examples("evocache front runs/emoji", "evocache front runs/emoji --json"))(front)
app.command(epilog=examples("evocache report runs/emoji", "evocache report runs/emoji --out emoji.html --no-png"))(
    report
)
app.add_typer(schedule, name="schedule")
app.command(epilog=examples("evocache policies", "evocache policies --json"))(policies)
