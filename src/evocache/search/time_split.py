"""How the time of a whole evolution is divided: calibration and proof are parts of what is asked for. Pure."""

from __future__ import annotations

PROOF = 0.2
"""Share of the proof."""


def search_end(total: float | None) -> float | None:
    """Seconds after which the search ends, counted from the beginning of the whole; None if it is not limited."""
    return None if total is None else (1 - PROOF) * total


def proof_seconds(total: float, spent: float) -> float:
    """Seconds for the proof: its share, or what is left of it.

    Args:
        total: seconds of the whole.
        spent: seconds that calibration and search have taken.
    """
    return max(0.0, min(PROOF * total, total - spent))
