"""How many predicted seconds of work the workers do in a second."""

from __future__ import annotations

FULL_WORK = 32.0
"""Seconds of full work after which what was seen of the workers' pace before counts half."""

PACE = 1.0
"""Predicted seconds that a worker does in a second, as long as little was seen; it counts as much as `SEEN` seconds."""

SEEN = 4.0


class Capacity:
    """Learns how many predicted seconds of work a worker does in a second, while it has as much as it can take.

    Predictions are seconds of computing, shared among those that are computed together, so it is near 1. It is more
    where predictions do not know yet what batches gain, and less where other programs use the machine.

    Attributes:
        workers: how many there are.
        room: how many tasks they compute at a time, all together.
    """

    def __init__(self) -> None:
        self.workers = self.room = 0
        self._done = self._busy = 0.0

    @property
    def rate(self) -> float:
        """Predicted seconds that all workers together do in a second; 0 if there are none."""
        return self.workers * (SEEN * PACE + self._done) / (SEEN + self._busy)

    def seconds(self, work: float) -> float:
        """Return how long the workers take for predicted seconds of work; infinity if there are no workers."""
        rate = self.rate
        return work / rate if rate else float("inf")

    def alone(self, work: float) -> float:
        """Return how long one worker takes for predicted seconds of work; infinity if there are no workers."""
        return self.seconds(work) * self.workers if self.workers else float("inf")

    def learn(self, done: float, seconds: float, workers: int) -> None:
        """Note what was done while workers had all that they could take.

        Args:
            done: predicted seconds of the work.
            seconds: how long it took.
            workers: how many there were.
        """
        keep = 0.5 ** (seconds * workers / FULL_WORK)
        self._done = self._done * keep + done
        self._busy = self._busy * keep + seconds * workers
