"""Warnings: they point to the line of the user that led to them, and appear each time that they are deserved."""

from __future__ import annotations

import sys
import warnings

from .errors import EvocacheWarning

_LOADED = ("torch", "diffusers", "transformers", "accelerate", "peft", "sqlite3", "sqlalchemy", "alembic", "valkey")

HOSTS = frozenset(("evocache", "contextlib", "functools", "threading", "asyncio", "concurrent", *_LOADED))
"""Packages whose code stands between a user's and what is warned of."""


def warn(message: str, category: type[Warning] = EvocacheWarning) -> None:
    """Warn the user, with a warning of a category, at the innermost line of code that belongs to no host.

    The default filter shows a warning once for each line of a process. What is warned of here is a generation's own, so
    that no register of the line is kept: filters decide, and by default each warning is shown.
    """
    frame = last = sys._getframe(1)
    while frame.f_globals.get("__name__", "").partition(".")[0] in HOSTS:
        if frame.f_back is None:
            frame = last  # no code of a user's own, as in the command line
            break
        frame = last = frame.f_back
    name = frame.f_globals.get("__name__") or "<unknown>"
    warnings.warn_explicit(message, category, frame.f_code.co_filename, frame.f_lineno, module=name)
