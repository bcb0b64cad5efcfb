"""What is minimised beside the error, and what a limit of memory is of."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import RunError
from .genome.memory_genes import PEAK

ERROR = "error"
"""Name of the one objective that takes evaluation; the others are priced from the schedule."""

CACHED = "memory"
"""Name of the objective that counts cached features alone."""

WITHIN = "within"
"""Name, in a run's identity, of the bytes that its own generations are kept within."""

KNOWN = ("latency", "macs", CACHED, PEAK)
"""Objectives that can be asked for."""


def parse_objectives(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the objectives that a user asks for, or the usual one.

    Raises:
        RunError: if there are no such objectives, or they do not go together.
    """
    if given is None:
        return ("latency",)
    wanted = tuple(dict.fromkeys(given))
    if not wanted or {*wanted} - {*KNOWN}:
        raise RunError(f"objectives {', '.join(wanted) or 'none'}", ", ".join(KNOWN), "choose among them")
    if {PEAK, CACHED} <= {*wanted}:
        raise RunError("both objectives memory and peak", "one of them", "leave memory out: it is a part of the peak")
    return wanted


def choose_limited(wanted: Sequence[str]) -> str:
    """Return what a limit of memory is of: the peak, or cached features where they are searched."""
    return CACHED if CACHED in wanted else PEAK
