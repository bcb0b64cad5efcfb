"""How much longer generations of a model take than its card says, alone and in company."""

from __future__ import annotations

import math

GAIN = 0.75
"""Share of its time alone that a task is taken to need where a worker is full, as long as none was seen."""

LOG_RATIO, LOG_GAIN = 1.0, 0.4
"""Standard deviations of the logarithms of both, as long as none was seen: cards may be wrong by three times, and
batches may gain nothing, or two thirds."""

NOISE = 0.25
"""Standard deviation of the logarithm of what a task takes, where nothing changes."""

RATE = math.log(2) / 16
"""Share of a surprise that the ratio takes once it is known: after 16 tasks what was known before counts half."""

DRIFT, STEADY = RATE**2 / (1 - RATE) * NOISE**2, 100.0
"""Variance by which the logarithm of the ratio may change from task to task; that of the gain so many times less."""

MEMORY, LASTING, OUTLIER = 4, 1.1, 3.0
"""Surprises of about so many tasks are looked at together; so many standard deviations, on average, mean that the
machine has changed; one surprise counts as at most so many, so that one task alone never means that."""


class Pace:
    """Learns from what tasks take their ratio to the card where they are alone, and what a full worker gains.

    A card's seconds are one generation, timed as its model was loaded: a machine that is busy then makes them three
    times what they are, and one that gets busy later a third. So the ratio follows what is seen, as a random walk does;
    the gain is a trait of the model and its device, and nearly stands still. A task in a share `w` of the company of a
    full worker is expected at `ratio * gain ** w`. A Kalman filter of both logarithms (Kalman 1960) learns from tasks
    in any company, and knows which of the two a surprise is about: a server that is never idle learns how slow its
    machine is without forgetting what batches gain, and the other way round. Surprises that last, all to one side, mean
    that the machine has changed: then the ratio is taken to be unknown again, and is learned anew from a few tasks.
    """

    def __init__(self) -> None:
        self._mean = [0.0, math.log(GAIN)]
        self._spread = LOG_RATIO**2, LOG_GAIN**2, 0.0  # variances, and what both have in common
        self._trend = 0.0

    @property
    def settled(self) -> bool:
        """Whether what tasks take is about what is expected."""
        return abs(self._trend) < LASTING

    def ratio(self, company: float) -> float:
        """Return the expected ratio to the card.

        Args:
            company: 0 of a task alone, 1 where its worker is full.
        """
        return math.exp(self._mean[0] + company * self._mean[1])

    def learn(self, ratio: float, company: float, doubt: float = 0.0) -> float:
        """Note what a task took.

        Args:
            ratio: of its seconds to the card's, above 0.
            company: 0 of a task alone, 1 where its worker is full.
            doubt: variance of the logarithm of what is not known of tasks like this: their surprises are their own.

        Returns:
            The ratio as far as it is believed: one that is far off is cut.
        """
        surprise = math.log(ratio) - self._mean[0] - company * self._mean[1]
        of_ratio, of_gain, of_both = self._spread
        of_ratio, of_gain = of_ratio + DRIFT, of_gain + DRIFT / STEADY
        expected = of_ratio + 2 * company * of_both + company**2 * of_gain + NOISE**2 + doubt
        deviation = max(-OUTLIER, min(OUTLIER, surprise / math.sqrt(expected)))
        believed = ratio * math.exp(deviation * math.sqrt(expected) - surprise)
        self._trend += (deviation - self._trend) / MEMORY
        if self.settled:
            surprise = deviation * math.sqrt(expected)
        else:
            of_ratio, expected = of_ratio + surprise**2, expected + surprise**2
        with_ratio, with_gain = of_ratio + company * of_both, of_both + company * of_gain
        self._mean[0] += with_ratio / expected * surprise
        self._mean[1] += with_gain / expected * surprise
        self._spread = (
            of_ratio - with_ratio**2 / expected,
            of_gain - with_gain**2 / expected,
            of_both - with_ratio * with_gain / expected,
        )
        return believed
