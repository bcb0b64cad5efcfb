"""Policies beside each other on one trace, with what knowing the future gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..policies.belady import offline_rules, upper_bound
from ..policies.simulate import Outcome, simulate
from ..policies.trace import Trace
from .learning_policy import LearningPolicy
from .policies import policy_of

BASELINE = "lru"
"""The policy that a gap is measured from."""

Watch = Callable[[str, int], Callable[[int], None]]
"""Is told the name of a replay and its number of requests, and returns what is told how many more are done."""


@dataclass(frozen=True)
class Standing:
    """Says what a policy gained.

    Attributes:
        name: of the policy.
        hits: answered from what was held.
        hit_rate: share of the requests.
        seconds_saved: what computing the hits would have taken.
        gap_closed: part of the way from LRU's hits to those of the offline rule; None where there is no way.
        evictions: entries that left for others.
        refused: answers that were not kept.
        changes: how often another policy, or other weights, began to decide; None of those that do not learn.
    """

    name: str
    hits: int
    hit_rate: float
    seconds_saved: float
    gap_closed: float | None
    evictions: int
    refused: int
    changes: int | None


@dataclass(frozen=True)
class Comparison:
    """Holds the standings of policies on a trace.

    Attributes:
        max_bytes: the room that each of them had.
        whole: bytes of all different answers.
        requests: how many there were.
        seconds: what computing all of them takes.
        equal: whether all answers are of one size; then no policy has more hits than the offline rule.
        policies: the best first.
        offline: what a rule that knows the future had.
        bound: hit rate that no policy passes.
    """

    max_bytes: int
    whole: int
    requests: int
    seconds: float
    equal: bool
    policies: tuple[Standing, ...]
    offline: Standing
    bound: float


def _unwatched(name: str, requests: int) -> Callable[[int], None]:
    return lambda done: None


def compare(
    trace: Trace, max_bytes: int, names: Sequence[str], *, seed: int = 0, watch: Watch = _unwatched
) -> Comparison:
    """Return what policies gain on a trace, LRU among them, each begun empty.

    Args:
        trace: the requests.
        max_bytes: bytes that each may hold.
        names: names of policies; a text is one name.
        seed: seeds what they draw.
        watch: is told of each replay.

    Raises:
        UsageError: if a policy is unknown; none is replayed then.
    """
    names = (names,) if isinstance(names, str) else names
    held = {policy.name: policy for policy in (policy_of(name, max_bytes, seed) for name in (*names, BASELINE))}
    found = {name: simulate(policy, trace, watch(name, len(trace))) for name, policy in held.items()}
    rules = offline_rules(trace, max_bytes)
    equal = len(rules) == 1
    knowing = {name: simulate(rule, trace, watch(name, len(trace))) for name, rule in rules.items()}
    best = max(knowing, key=lambda name: knowing[name].hits)
    most, least = knowing[best].hits, found[BASELINE].hits

    def standing(name: str, outcome: Outcome, changes: int | None = None) -> Standing:
        gap = (outcome.hits - least) / (most - least) if most > least else None
        saved = outcome.seconds_saved
        return Standing(name, outcome.hits, outcome.hit_rate, saved, gap, outcome.evictions, outcome.refused, changes)

    standings = []
    for name, policy in held.items():
        changes = len(policy.audit.read()) if isinstance(policy, LearningPolicy) else None
        standings.append(standing(name, found[name], changes))
    rate = knowing[best].hit_rate if equal else upper_bound(trace, max_bytes).hits / max(1, len(trace))
    return Comparison(
        max_bytes,
        trace.whole,
        len(trace),
        float(trace.seconds.sum()),
        equal,
        tuple(sorted(standings, key=lambda one: -one.hits)),
        standing(best, knowing[best]),
        rate,
    )
