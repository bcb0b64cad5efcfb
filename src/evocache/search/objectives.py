"""What is minimised beside the error, and what a limit of memory is of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import RunError
from .genes import PEAK
from .journal import JOURNAL

CACHED = "memory"
"""Name of the objective that counts cached features alone."""

WITHIN = "within"
"""Name, in a run's identity, of the bytes that its own generations are kept within."""

KNOWN = ("latency", "macs", CACHED, PEAK)
"""Objectives that can be asked for."""


def asked(given: Sequence[str] | None, method: str) -> tuple[str, ...]:
    """The objectives that a user asks for, or the usual ones of a method.

    Raises:
        RunError: if there are no such objectives, or they do not go together.
    """
    if given is None:
        return ("macs",) if method == "ecad" else ("latency",)
    wanted = tuple(dict.fromkeys(given))
    if not wanted or {*wanted} - {*KNOWN}:
        raise RunError(f"objectives {', '.join(wanted) or 'none'}", ", ".join(KNOWN), "choose among them")
    if {PEAK, CACHED} <= {*wanted}:
        raise RunError("both objectives memory and peak", "one of them", "leave memory out: it is a part of the peak")
    if PEAK in wanted and method == "ecad":
        raise RunError("objective peak by the method of ECAD", "macs, latency or memory", "use the method evocache")
    return wanted


def limited(folder: Path, wanted: Sequence[str], method: str) -> str:
    """What a limit of memory is of: the peak, or cached features as it was before peaks were searched.

    Args:
        folder: of the run, which may have been begun when there was only the latter.
        wanted: the objectives that are asked for.
        method: of the search.
    """
    if CACHED in wanted or method == "ecad":
        return CACHED
    settings = _begun(folder).get("settings")
    limits = settings.get("limits") if isinstance(settings, dict) else None
    return CACHED if isinstance(limits, dict) and CACHED in limits else PEAK


def kept(folder: Path, bounded: str) -> bool:
    """Whether a run keeps its own generations within its limit: one of the peak, unless it was begun without.

    Args:
        folder: of the run, which may have been begun before generations were.
        bounded: what the limit is of.
    """
    begun = _begun(folder)
    return bounded == PEAK and (not begun or WITHIN in begun)


def _begun(folder: Path) -> dict[str, Any]:
    """What a run was begun with; nothing if it was not."""
    try:
        with open(folder / JOURNAL, encoding="utf-8") as file:
            found = json.loads(file.readline())["run"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
