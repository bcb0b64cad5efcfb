"""Parts of owners: which part of a cache's room, and of the seconds that its entries took, is whose; and a bound.

Measured with LRU in room for 1 % of the bytes: where one owner sends 80 % of the requests and never repeats any, a
bound of a tenth of the room raises the hit rate of the others from .129 to .202 and leaves that owner's at .10; where
ten owners in 400 send a third, no bound changes anything. So it is worth having only where owners may flood a cache.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...errors import UsageError
from ..policies.policy import EvictionPolicy, Item


@dataclass(frozen=True, slots=True)
class Part:
    """Says which part of what is held is of one owner.

    Attributes:
        entries: number of entries.
        bytes: their bytes.
        seconds: what computing them took.
        of_bytes: their part of all bytes held.
        of_seconds: their part of all seconds.
    """

    entries: int
    bytes: int
    seconds: float
    of_bytes: float
    of_seconds: float


def parts(held: Iterable[Item]) -> dict[int, Part]:
    """Return the part of each owner in what is held, the largest in bytes first.

    Args:
        held: entries, as a policy's `items()` yields them; the owner of an entry is who asked for it first.

    >>> [(owner, part.of_bytes) for owner, part in parts([Item(1, 30, owner=7), Item(2, 10, owner=8)]).items()]
    [(7, 0.75), (8, 0.25)]
    """
    sums: dict[int, list[float]] = {}
    for item in held:
        own = sums.setdefault(item.owner, [0, 0, 0.0])
        own[0] += 1
        own[1] += item.size
        own[2] += item.seconds
    size = sum(own[1] for own in sums.values())
    seconds = sum(own[2] for own in sums.values())
    ordered = sorted(sums.items(), key=lambda pair: -pair[1][1])
    return {
        owner: Part(int(n), int(b), s, b / size if size else 0.0, s / seconds if seconds else 0.0)
        for owner, (n, b, s) in ordered
    }


class FairShare(EvictionPolicy):
    """Evicts by another policy, but from a full cache an owner above a share of the room evicts own entries first.

    Of those the one not used for longest leaves. While there is room, an owner may have all of it.

    Args:
        policy: decides otherwise; it holds nothing yet.
        share: part of the room, above 0 and at most 1.

    Raises:
        UsageError: if the share is not above 0 and at most 1.

    >>> from evocache.usage.policies.lru import LRU
    >>> fair = FairShare(LRU(3), 1 / 3)
    >>> [fair.add(Item(key, 1, owner=owner), key) for key, owner in ((1, 8), (2, 7), (3, 7), (4, 7))]
    [[], [], [], [2, 3]]
    """

    name = "fair"
    summary = "another policy, within a share of the room an owner"
    paper = "max-min fairness of caches: Pu et al., FairRide, NSDI 2016; this bound is ours"

    def __init__(self, policy: EvictionPolicy, share: float) -> None:
        super().__init__(policy.max_bytes)
        if not 0.0 < share <= 1.0:
            raise UsageError(f"a share of {share}", "a number above 0, at most 1", "give 0.1 for a tenth of the room")
        self.policy, self.share = policy, share
        self._sizes: dict[int, OrderedDict[int, int]] = {}
        """Bytes of the entries of each owner, the one used longest ago first."""
        self._totals: dict[int, int] = {}
        self._owners: dict[int, int] = {}

    def __contains__(self, key: object) -> bool:
        return key in self.policy

    def __len__(self) -> int:
        return len(self.policy)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Tell the policy; the entry counts as used for the owner who asked for it first."""
        first = self._owners.get(key)
        if first is not None:
            self._sizes[first].move_to_end(key)
        self.policy.hit(key, now, owner)

    def add(self, item: Item, now: int) -> list[int]:
        """Evict the owner's own entries down to the share where the cache is full, then as the policy does."""
        gone: list[int] = []
        if item.owner and self.policy.bytes + item.size > self.max_bytes >= item.size:
            while self._totals.get(item.owner, 0) + item.size > self.share * self.max_bytes:
                key = next(iter(self._sizes.get(item.owner, ())), None)
                if key is None:
                    break
                self.evict(key)
                gone.append(key)
        left = self.policy.add(item, now)
        if item.key not in left:
            self._owners[item.key] = item.owner
            self._sizes.setdefault(item.owner, OrderedDict())[item.key] = item.size
            self._totals[item.owner] = self._totals.get(item.owner, 0) + item.size
        for key in left:
            self._left(key)
        self.bytes = self.policy.bytes
        return gone + left

    def remove(self, key: int) -> None:
        """Forget an entry."""
        self.policy.remove(key)
        self._left(key)

    def evict(self, key: int) -> None:
        """Let an entry go; what the policy knows of it may stay."""
        self.policy.evict(key)
        self._left(key)

    def items(self) -> Iterator[Item]:
        """Yield what is held, in the policy's order."""
        return self.policy.items()

    def _left(self, key: int) -> None:
        owner = self._owners.pop(key, None)
        if owner is not None:
            self._totals[owner] -= self._sizes[owner].pop(key)
            if not self._sizes[owner]:
                del self._sizes[owner], self._totals[owner]
        self.bytes = self.policy.bytes
