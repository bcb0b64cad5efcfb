"""How the time of a whole evolution is divided: calibration and proof are parts of what is asked for. Pure."""

from __future__ import annotations

PROOF = 0.2
"""Share of the proof."""

CALIBRATION_CALLS = 12
"""What the shortest calibration takes, in uncached calls of its prompts: one that keeps features, components one by
one, and a round of a few schedules."""

ANSWER_CALLS = 0.8
"""What an answer of the search takes on average, likewise: schedules compute less than the uncached call."""


def plan_search_end(total: float | None, least_proof: float = 0.0) -> float | None:
    """Return the seconds after which the search ends, counted from the beginning of the whole.

    Args:
        total: seconds of the whole; None if it is not limited, and then the search is not, either.
        least_proof: seconds that even the shortest proof takes.
    """
    return None if total is None else max(0.0, min((1 - PROOF) * total, total - least_proof))


def estimate_least_left(call: float, answers: int, least_proof: float) -> float:
    """Predict the seconds of the shortest calibration, search and proof.

    Args:
        call: seconds of an uncached call of the calibration's prompts.
        answers: least number of evaluations.
        least_proof: seconds that the shortest proof takes.
    """
    return (CALIBRATION_CALLS + ANSWER_CALLS * answers) * call + least_proof


def plan_proof_seconds(total: float, spent: float) -> float:
    """Return the seconds for the proof: its share, or what is left of it.

    Args:
        total: seconds of the whole.
        spent: seconds that calibration and search have taken.
    """
    return max(0.0, min(PROOF * total, total - spent))
