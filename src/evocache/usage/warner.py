"""Warnings that a service should not repeat for each request."""

from __future__ import annotations

from ..user_warnings import warn

MOST = 1_000
"""Things that are warned of at the most: a program that makes new types for ever is told enough."""


class Warner:
    """Warns of each thing once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def warn(self, about: str, message: str) -> None:
        """Warn, unless there was a warning about the same before.

        Args:
            about: what tells the warnings apart.
            message: the text.
        """
        if about not in self._said and len(self._said) < MOST:
            self._said.add(about)
            warn(message)
