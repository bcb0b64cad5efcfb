"""How requests end without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

CODES: Mapping[str, str] = {
    "input": "invalid_value",
    "memory": "too_much_memory",
    "worker": "worker_lost",
    "pipeline": "generation_failed",
    "cancelled": "cancelled",
}
"""Codes of failures by whose fault they were, in answers and in jobs."""


class UnmadeError(Exception):
    """A generation that failed.

    Args:
        reason: whose fault it was, as `workers.updates.Failed` has it.
        text: what happened.
        goes_back: whether it was not tried, or ended on its way by nobody's fault: what was promised is made later.
    """

    def __init__(
        self,
        reason: Literal["input", "memory", "worker", "pipeline", "cancelled"],
        text: str,
        *,
        goes_back: bool = False,
    ) -> None:
        self.reason, self.text, self.goes_back = reason, text, goes_back
        super().__init__(text)
