"""How much a proof measures, so that it stays within a time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .contender import Contender
from .contenders import Field

ROUNDS = 5
"""Interleaved rounds of timing, where there is time for them."""

LEAST_ROUNDS = 2
"""Fewest rounds: of one alone nothing is known of how far rounds are apart."""

SINGLE = 0.6
"""What a call of one prompt takes relative to a call of four, where it was not measured: the call itself takes time."""

COUNTING = 3
"""Generations whose time it takes to count what one holds."""


@dataclass(frozen=True)
class MeasuredPace:
    """How long uncached generations take.

    Attributes:
        call: seconds that a call takes however many prompts it has.
        prompt: seconds that each prompt adds.
        batch: most prompts in a call.
    """

    call: float
    prompt: float
    batch: int

    @classmethod
    def of(cls, seconds: float, prompts: int, single: float, batch: int = 0) -> MeasuredPace:
        """Return the pace of a call of some prompts, and of a call of one; calls have `batch` of them, or as many."""
        each = max(seconds - single, 0.0) / (prompts - 1) if prompts > 1 else seconds
        return cls(max(single - each, 0.0), each, batch or prompts)

    def seconds(self, prompts: int) -> float:
        """Predict the time of some prompts."""
        return -(-prompts // self.batch) * self.call + prompts * self.prompt


@dataclass(frozen=True)
class Effort:
    """Most of everything that is measured.

    Attributes:
        points: of the front.
        policies: among the seeds.
        counts: of fewer steps.
        prompts: held-out ones that quality is measured on.
        timed: prompts in a timed call.
        pictures: prompts whose pictures are kept.
        counted: whether what is held is counted, in one more generation.
        rounds: of timing.
    """

    points: int
    policies: int
    counts: int
    prompts: int
    timed: int
    pictures: int
    counted: bool = False
    rounds: int = ROUNDS

    def contenders(self, field: Field) -> list[Contender]:
        """Choose those of a field that it measures."""
        return field.contenders(self.points, self.policies, self.counts)

    def seconds(self, contenders: Sequence[Contender], pace: MeasuredPace) -> float:
        """Predict the time of them all and the uncached pipeline, a round to warm up included."""
        rounds = self.rounds + 1 + (COUNTING if self.counted else 0)
        each = pace.seconds(self.prompts) + pace.seconds(self.pictures) + rounds * pace.seconds(self.timed)
        return each * (1 + sum(contender.share for contender in contenders))

    def counting_seconds(self, contenders: Sequence[Contender], pace: MeasuredPace) -> float:
        """Predict the time of counting what is held, which comes after all else; 0 where nothing is counted."""
        calls = COUNTING * pace.seconds(self.timed) if self.counted else 0.0
        return calls * (1 + sum(contender.share for contender in contenders))

    def of(self, field: Field) -> Effort:
        """Return the same for a field: where peaks were searched, calls are those that they are of, and are counted."""
        return replace(self, timed=field.called, counted=True) if field.called else self


LADDER = (
    Effort(12, 12, 12, 32, 8, 8),
    Effort(12, 8, 8, 32, 6, 8),
    Effort(12, 6, 6, 32, 4, 8),
    Effort(12, 5, 5, 32, 3, 8),
    Effort(10, 4, 4, 32, 3, 8),
    Effort(8, 4, 4, 32, 2, 6),
    Effort(7, 3, 4, 24, 2, 4),
    Effort(6, 3, 3, 16, 2, 4),
    Effort(4, 2, 2, 8, 1, 2),
    Effort(4, 1, 2, 6, 1, 1, rounds=4),
    Effort(3, 1, 1, 4, 1, 1, rounds=3),
    Effort(2, 0, 1, 2, 1, 1, rounds=LEAST_ROUNDS),
)
"""From the most thorough to the least."""


def choose_effort(field: Field, pace: MeasuredPace, seconds: float) -> Effort:
    """Return the most thorough effort that is predicted to keep within the time; the least one if none does.

    Args:
        field: what could be measured.
        pace: of uncached generations.
        seconds: what the proof may take.
    """
    ladder = [effort.of(field) for effort in LADDER]
    for effort in ladder:
        if effort.seconds(effort.contenders(field), pace) <= seconds:
            return effort
    return ladder[-1]


def estimate_least_seconds(call: float, prompts: int) -> float:
    """Predict the time of the shortest proof, what measures the pace included.

    What is measured beside the uncached pipeline is taken to need 0.6 of its time.

    Args:
        call: seconds of an uncached call.
        prompts: of that call.
    """
    least, single = LADDER[-1], SINGLE * call if prompts > 1 else call
    pace = MeasuredPace.of(call, prompts, single)
    contenders = [Contender("", "", 0.6)] * (least.points + least.policies + least.counts)
    return 2 * single + call + least.seconds(contenders, pace)


def allows_another_round(rounds: int, taken: float, left: float) -> bool:
    """Decide whether timing goes on: there are too few rounds, or one more is predicted to end in time.

    Args:
        rounds: that are over, those to warm up included.
        taken: seconds that they took.
        left: seconds that are left.
    """
    return rounds <= LEAST_ROUNDS or taken / rounds <= left


def list_omissions(effort: Effort, field: Field, prompts: int) -> list[str]:
    """Say what an effort does not measure."""
    front = [r.point for r in effort.contenders(field) if r.group == "front" and r.point]
    equal = field.equal_steps(front)
    counted = {
        "points of the front": (len(field.points), len(front)),
        "policies among the seeds": (len(field.policies), effort.policies),
        "numbers of steps": (len(equal), effort.counts),
        "held-out prompts": (prompts, effort.prompts),
    }
    return [f"{all_ - most} of {all_} {name}" for name, (all_, most) in counted.items() if all_ > most]
