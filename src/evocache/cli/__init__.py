"""The command line: `evocache`, one file per command. Nothing heavy is imported until a command runs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line on the arguments of the process."""
    from .app import app

    app()
