"""How requests end without an answer."""

from __future__ import annotations

from typing import Literal


class UnmadeError(Exception):
    """A generation that failed.

    Args:
        reason: whose fault it was, as `workers.updates.Failed` has it.
        text: what happened.
    """

    def __init__(self, reason: Literal["input", "memory", "worker", "pipeline", "cancelled"], text: str) -> None:
        self.reason, self.text = reason, text
        super().__init__(text)
