"""How commands and their options are read: old spellings, and how our own errors end a command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import typer

from .console import errors, silence
from .failures import format_error
from .option_panels import PANELS
from .stop_signals import Terminated

ALIASES: Mapping[str, Mapping[str, str]] = {
    "generate": {"--budget": "--memory", "-b": "--memory"},
    "plan": {"--budget": "--memory", "-b": "--memory"},
    "evolve": {"--budget": "--time", "--max-memory": "--memory"},
}
"""Old spellings of options by command. They go on working, and no help shows them."""


class Command(typer.core.TyperCommand):
    """A command whose options stand in panels, and have old spellings, too."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for option in self.params:
            if isinstance(option, typer.core.TyperOption) and option.rich_help_panel is None:
                option.rich_help_panel = PANELS.get(option.name or "")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, old spellings as the new ones."""
        return super().parse_args(ctx, rename_options(self.name or "", args))


class Group(typer.core.TyperGroup):
    """Shows our own errors as short messages with exit code 2, Ctrl-C as a word, third-party warnings not at all."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        from ...errors import Error

        if ctx.params.get("debug"):
            return super().invoke(ctx)
        with silence():
            try:
                return super().invoke(ctx)
            except Error as error:
                errors().print(format_error(error))
                raise typer.Exit(2) from None
            except KeyboardInterrupt as signal:
                console = errors()
                console.print("\ninterrupted" if console.is_terminal else "interrupted")  # ^C stands on the line
                raise typer.Exit(143 if isinstance(signal, Terminated) else 130) from None


def rename_options(command: str, args: list[str]) -> list[str]:
    """Rename old spellings of options in arguments; leave what follows `--` alone."""
    aliases = ALIASES.get(command, {})
    found: list[str] = []
    for i, text in enumerate(args):
        if text == "--":
            return found + args[i:]
        name, equals, value = text.partition("=")
        if command == "inspect" and text == "--memory" and not _begins_with_number(args[i + 1 : i + 2]):
            found.append("--stages")  # it was a flag
        else:
            found.append(aliases.get(name, name) + equals + value)
    return found


def _begins_with_number(following: list[str]) -> bool:
    return bool(following) and re.match(r"\s*[\d.]", following[0]) is not None
