"""How often a question is one that was asked before: by anybody, by the same owner, as the owner's last one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

from .settings import Key, check_alike, check_least

_T = TypeVar("_T")


@dataclass(slots=True)
class OwnerRepeats:
    """What is known of an owner.

    Attributes:
        requests: how many there were.
        own: those for a key that the owner had asked for before.
        last: those for the key of the owner's request before.
        first_key: key of the first request.
        last_key: key of the latest.
    """

    first_key: Key
    last_key: Key
    requests: int = 1
    own: int = 0
    last: int = 0

    @property
    def share(self) -> float:
        """Share of requests that repeat one of the owner's."""
        return self.own / self.requests


class Repeats:
    """Counts repeats. Merging what came later is exact while nothing was forgotten; else they are lower bounds.

    Requests whose owner is unknown (an empty or zero digest) count for anybody's repeats alone.

    Args:
        most: keys, and pairs of owner and key, that are remembered; the oldest are forgotten.
        owners: owners that are remembered; those who were not seen longest are forgotten.
    """

    def __init__(self, most: int = 65536, owners: int = 16384) -> None:
        check_least("most", most, 1)
        check_least("owners", owners, 1)
        self.most, self.most_owners = most, owners
        self.requests = 0
        """All requests."""
        self.anybody = 0
        """Those for a key that anybody had asked for before."""
        self.own = 0
        """Those for a key that their owner had asked for before."""
        self.last = 0
        """Those for the key of their owner's request before."""
        self.owners: OrderedDict[Key, OwnerRepeats] = OrderedDict()
        """By owner, those not seen longest first."""
        self._keys: OrderedDict[Key, None] = OrderedDict()
        self._pairs: OrderedDict[tuple[Key, Key], None] = OrderedDict()

    def add(self, key: Key, owner: Key) -> None:
        """Note a request for a key by an owner."""
        self.requests += 1
        self.anybody += _seen(self._keys, key, self.most)
        if not owner:
            return
        known = self.owners.pop(owner, None)
        own = _seen(self._pairs, (owner, key), self.most)
        if known is None:
            self.owners[owner] = OwnerRepeats(key, key, own=int(own))
            self.own += own
            if len(self.owners) > self.most_owners:
                self.owners.popitem(last=False)
            return
        self.owners[owner] = known
        last = known.last_key == key
        known.requests += 1
        known.own += own or last
        known.last += last
        known.last_key = key
        self.own += own or last
        self.last += last

    def merge(self, other: Repeats) -> None:
        """Add what another has seen of later requests.

        Raises:
            UsageError: if it remembers other numbers.
        """
        check_alike("most and owners", (self.most, self.most_owners), (other.most, other.most_owners))
        self.requests += other.requests
        self.anybody += other.anybody + sum(key in self._keys for key in other._keys)
        self.own += other.own
        self.last += other.last
        for owner, theirs in other.owners.items():
            mine = self.owners.pop(owner, None)
            last = mine is not None and mine.last_key == theirs.first_key
            self.last += last
            self.owners[owner] = OwnerRepeats(
                mine.first_key if mine else theirs.first_key,
                theirs.last_key,
                theirs.requests + (mine.requests if mine else 0),
                theirs.own + (mine.own if mine else 0),
                theirs.last + (mine.last if mine else 0) + last,
            )
        for owner, key in other._pairs:
            if (owner, key) in self._pairs:
                self.own += 1
                if owner in self.owners:
                    self.owners[owner].own += 1
        for key in other._keys:
            _seen(self._keys, key, self.most)
        for pair in other._pairs:
            _seen(self._pairs, pair, self.most)
        while len(self.owners) > self.most_owners:
            self.owners.popitem(last=False)


def _seen(keys: OrderedDict[_T, None], key: _T, most: int) -> bool:
    """Whether a key is among those remembered; it is the youngest of them afterwards."""
    known = key in keys
    keys[key] = None
    keys.move_to_end(key)
    if len(keys) > most:
        keys.popitem(last=False)
    return known
