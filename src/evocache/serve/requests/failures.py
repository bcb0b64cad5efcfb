"""How requests end without an answer."""

from __future__ import annotations

from typing import Literal


class Refused(Exception):
    """A request that is not taken now.

    Args:
        text: why.
        code: the same for programs.
        seconds: after which it may be tried again; None if that does not help.
    """

    def __init__(self, text: str, code: str, seconds: float | None = None) -> None:
        self.text, self.code, self.seconds = text, code, seconds
        super().__init__(text)


class Unmade(Exception):
    """A generation that failed.

    Args:
        reason: whose fault it was, as `workers.updates.Failed` has it.
        text: what happened.
    """

    def __init__(self, reason: Literal["input", "memory", "worker", "pipeline", "cancelled"], text: str) -> None:
        self.reason, self.text = reason, text
        super().__init__(text)
