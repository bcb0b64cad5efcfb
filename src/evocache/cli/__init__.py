"""The command line: `evocache`, one file per command. Nothing heavy is imported until a command runs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line on the arguments of the process."""
    import os

    # Threads that wait by spinning slow everything down as soon as anything else runs; read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from .app import app

    app()
