"""The command line: `evocache`. Nothing heavy is imported until a command runs.

In: arguments of the process. Out: what is printed, files, and an exit code.

- `app`: the commands, the global options, and how it fails
- `commands`: one command a file
- `inputs`, `ui`: what users give; what they see

Imports anything; nothing imports it.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line on the arguments of the process."""
    import os

    # Threads that wait by spinning slow everything down as soon as anything else runs; read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from .app import app

    app()
