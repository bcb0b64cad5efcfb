"""A preview that somebody waits for."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from PIL.Image import Image

from ....errors import GenerationError


class Wish:
    """A preview that was asked for; threads may share it.

    Attributes:
        answered: whether it is there, or will never be.
    """

    def __init__(self) -> None:
        self._pictures: Sequence[Image] = ()
        self._error: GenerationError | None = None
        self._done = threading.Event()

    @property
    def answered(self) -> bool:
        """Whether there is an answer."""
        return self._done.is_set()

    def answer(self, pictures: Sequence[Image]) -> None:
        """Let who waits have pictures."""
        self._pictures = pictures
        self._done.set()

    def refuse(self, error: GenerationError) -> None:
        """Let who waits know that there is no preview; nothing happens if there was an answer."""
        if not self._done.is_set():
            self._error = error
            self._done.set()

    def wait(self, timeout: float | None) -> list[Image]:
        """Return the pictures when they are there.

        Raises:
            TimeoutError: if they are not there in time.
            GenerationError: if there will be none.
        """
        if not self._done.wait(timeout):
            raise TimeoutError(f"no preview within {timeout} seconds")
        if self._error is not None:
            raise GenerationError(self._error.given, self._error.expected, self._error.mend) from self._error
        return list(self._pictures)
