"""One who waits for what is made, perhaps beside others, and is told of it as if alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ..requests.answer import Answer
from ..workers.updates import Previewed, Progressed, Update

log = logging.getLogger("evocache.serve")

Listener = Callable[[Update], None]
"""Takes what becomes of one picture."""

Kept = Callable[[Answer, int, float], None]
"""Is told an answer, the bytes that it takes where it is stored, and the seconds that computing it took."""


class Waiter:
    """The place of one who waits for a flight.

    Args:
        leave: takes it off what is waited for.
        watch: is told what becomes of it.
        previews: most that are told.
        joined: whether it was being made for somebody else.
        came: when, by the flight's clock.
        kept: is told of the answer, if there is one.

    Attributes:
        waited: seconds until the answer was there.
    """

    def __init__(
        self,
        leave: Callable[[Waiter], None],
        watch: Listener,
        previews: int,
        joined: bool,
        came: float,
        kept: Kept,
    ) -> None:
        self._leave, self._watch = leave, watch
        self.joined, self.came, self.kept = joined, came, kept
        self._previews, self._asked, self._told = previews, 0, 0
        self.waited = 0.0
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def tell(self, update: Update) -> None:
        """Take an update; previews as long as some are wished for. What it raises reaches nobody else."""
        if isinstance(update, Previewed):
            if self._told >= self._previews:
                return
            self._told += 1
        try:
            self._watch(update)
        except Exception:
            log.exception("who watches a generation failed")

    def wants_preview(self, progress: Progressed) -> bool:
        """Return whether a preview is due, of those that lie evenly between first and last step; each is due once."""
        due = progress.step * (self._previews + 1) >= (self._asked + 1) * progress.steps
        if self._asked >= self._previews or not due:
            return False
        self._asked += 1
        return True

    def leave(self) -> None:
        """Wait no more; who is the last to leave ends what is made, within a step."""
        if not self.answer.done() or self.answer.cancelled():
            self.answer.cancel()
            self._leave(self)
