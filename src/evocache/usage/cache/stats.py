"""What a cache did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...display import Displayed
from ...units import format_bytes
from ..learn.audit import Decision
from ..learn.learning_policy import LearningPolicy
from ..profile.speculation import Spent
from .answers import Answers
from .contents import Contents


@dataclass(frozen=True)
class Stats(Displayed):
    """Says what a cache did so far.

    Attributes:
        requests: questions that were asked.
        hits: answered from a stored result, in memory or in a tier below.
        disk_hits: those of them that came from the disk.
        shared_hits: those of them that came from the shared tier.
        joined: answered from one in flight.
        stale: hits that were given while the answer was computed anew.
        computed: answers that were computed.
        failed: computations that raised.
        seconds_saved: what computing the hits again would have taken, as far as it is known.
        seconds_computed: what computing took.
        bytes: bytes that are held in memory.
        max_bytes: bytes that may be held there.
        entries: answers that are held there, those whose time is over among them until they are asked for.
        evictions: answers that left for others.
        refused: answers that were not kept: worth too little, too large, or of a kind that cannot be copied.
        dropped: hits that the policy was not told of, since they came too fast.
        proposals: answers that were begun ahead, which nobody had asked for.
        ahead_used: those of them that were asked for afterwards.
        seconds_ahead_used: what these took, by the thread's own time.
        seconds_ahead_wasted: what the others took that were stopped, failed, or left before they were asked for.
        decider: the policy that decides now.
        since: number of requests after which it began to.
        decisions: who decided when, and why; the latest last.
        tenant: whose cache it is; None if there are no tenants.
    """

    requests: int = 0
    hits: int = 0
    disk_hits: int = 0
    shared_hits: int = 0
    joined: int = 0
    stale: int = 0
    computed: int = 0
    failed: int = 0
    seconds_saved: float = 0.0
    seconds_computed: float = 0.0
    bytes: int = 0
    max_bytes: int = 0
    entries: int = 0
    evictions: int = 0
    refused: int = 0
    dropped: int = 0
    proposals: int = 0
    ahead_used: int = 0
    seconds_ahead_used: float = 0.0
    seconds_ahead_wasted: float = 0.0
    decider: str = ""
    since: int = 0
    decisions: Sequence[Decision] = field(default=(), repr=False)
    tenant: str | None = None

    @property
    def hit_rate(self) -> float:
        """Share of requests that were hits; 0 without any. Joined ones are no hits."""
        return self.hits / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        from ...tables import Column, in_percent, in_seconds, plain, table

        times = f"{in_seconds(self.seconds_ahead_used)} of use, {in_seconds(self.seconds_ahead_wasted)} wasted"
        ahead = f"{self.proposals:,}, {self.ahead_used:,} used; {times}"
        rows = [
            ["requests", f"{self.requests:,}"],
            ["hits", f"{self.hits:,} ({in_percent(self.hit_rate)})"],
            *([["of them from the disk", f"{self.disk_hits:,}"]] if self.disk_hits else []),
            *([["of them from the shared tier", f"{self.shared_hits:,}"]] if self.shared_hits else []),
            *([["of them stale", f"{self.stale:,}"]] if self.stale else []),
            ["joined in flight", f"{self.joined:,}"],
            ["computed", f"{self.computed:,} in {in_seconds(self.seconds_computed)}"],
            *([["failed", f"{self.failed:,}"]] if self.failed else []),
            ["time saved", in_seconds(self.seconds_saved)],
            ["held", f"{self.entries:,} answers, {format_bytes(self.bytes)} of {format_bytes(self.max_bytes)}"],
            ["evicted, refused", f"{self.evictions:,}, {self.refused:,}"],
            *([["hits not learned from", f"{self.dropped:,}"]] if self.dropped else []),
            *([["computed ahead", ahead]] if self.proposals else []),
            ["decides now", f"{self.decider}, since request {self.since:,}"],
            *[["learned", str(decision)] for decision in self.decisions[-3:]],
        ]
        title = "cache" if self.tenant is None else f"cache of {self.tenant}"
        return plain(table([Column(title, room="keep"), Column("", room="wrap")], rows))


def stats_of(contents: Contents, answers: Answers, tenant: str | None, ahead: Spent | None = None) -> Stats:
    """Return what a cache did so far."""
    with contents.lock:
        contents.drain()
        counts, below, policy = answers.counts, answers.below, contents.policy
        learning = policy if isinstance(policy, LearningPolicy) else None
        return Stats(
            requests=contents.requests,
            hits=contents.hits + sum(below.hits.values()),
            disk_hits=below.hits.get("disk", 0),
            shared_hits=below.hits.get("shared", 0),
            joined=contents.kinds["joined"],
            stale=contents.kinds["stale"],
            computed=counts.computed,
            failed=counts.failed,
            seconds_saved=contents.seconds_saved + counts.seconds_saved,
            seconds_computed=counts.seconds_computed,
            bytes=contents.bytes,
            max_bytes=contents.max_bytes,
            entries=len(contents.entries),
            evictions=contents.evictions,
            refused=contents.refused + counts.unkept,
            dropped=contents.dropped,
            proposals=ahead.proposals if ahead else 0,
            ahead_used=ahead.used if ahead else 0,
            seconds_ahead_used=ahead.seconds_used if ahead else 0.0,
            seconds_ahead_wasted=ahead.seconds_wasted if ahead else 0.0,
            decider=contents.decider,
            since=0 if learning is None else learning.since,
            decisions=() if learning is None else learning.audit.read(),
            tenant=tenant,
        )
