"""How long workers take for jobs, and when one must have answered. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..optimise.job import Job

START = 600.0
"""Seconds that a worker may take to load its pipeline and to make its first uncached outputs, beside its first job."""

GRACE = 60.0
"""Seconds that each job may take beside what is predicted."""

SLACK = 10.0
"""How many times as long as predicted a job may take."""


@dataclass(frozen=True)
class Pace:
    """What is known of how long workers take.

    Attributes:
        rate: seconds for a denoiser step of one prompt (see `Job.step_equivalents`), the slowest seen; 0 if unknown.
        slowest: seconds of the slowest job so far.
        started: workers that have answered.
    """

    rate: float = 0.0
    slowest: float = 0.0
    started: Mapping[int, None] = field(default_factory=dict)

    def seconds(self, worker: int, job: Job) -> float:
        """Return how long a worker may take for a job; infinite as long as nothing is known.

        The predicted time counts the uncached outputs of its prompts, too, which the worker may have to make first.
        """
        work = job.step_equivalents + job.schedule.steps * len(job.prompts)
        predicted = max(self.rate * work, self.slowest)
        if not predicted:
            return math.inf
        return GRACE + SLACK * predicted + (0.0 if worker in self.started else START)

    def after(self, worker: int, job: Job, seconds: float) -> Pace:
        """Return the same once a worker has answered; its first answer, before which it had to load, tells no time."""
        known = replace(self, started={**self.started, worker: None})
        if worker not in self.started:
            return known
        rate = max(self.rate, seconds / max(job.step_equivalents, 1.0))
        return replace(known, rate=rate, slowest=max(self.slowest, seconds))

    def without(self, worker: int) -> Pace:
        """Return the same once a worker was lost: whoever takes its place has to start."""
        return replace(self, started={number: None for number in self.started if number != worker})
