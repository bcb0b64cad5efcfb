"""What a cache holds in memory, within its bytes, and how its policy is told of it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable

from ..learn.learning_policy import LearningPolicy
from ..policies.policy import EvictionPolicy, Item
from ..tiers import forks
from .entry import Entry
from .event_log import EventLog
from .names import Name

RING = 4096
"""Hits that the policy is yet to be told of, at the most; of more the oldest are dropped, and counted."""


class Contents:
    """Holds entries within the bytes of a policy, which says who leaves.

    A hit only looks its entry up and appends to a ring; the policy is told of it before the next entry is inserted, or
    by whoever calls `drain`. Everything else holds the lock.

    Args:
        policy: says who leaves.
        owner_id: makes the 64-bit digest of an owner; of None 0.
        log: records requests; None where nobody wants to know.
    """

    def __init__(
        self, policy: EvictionPolicy, owner_id: Callable[[Hashable | None], int], log: EventLog | None = None
    ) -> None:
        self.policy = policy
        self.log = log
        self.asked: Callable[..., None] | None = None
        """Is told of requests by name, key and owner, where somebody learns from them what to compute ahead."""
        self._owner_id = owner_id
        self.max_bytes = policy.max_bytes
        self.entries: dict[str | bytes, Entry] = {}
        self.ring: deque[tuple[int, Entry, Hashable | None, float, str]] = deque(maxlen=RING)
        """Requests that found an entry: their number, the entry, who asked, when, and which kind of hit it was."""
        self.number = itertools.count(1).__next__
        """Gives each request its number."""
        self.lock = threading.RLock()
        self._ids: dict[int, Entry] = {}
        self._pinned = 0
        self._latest = self._told = 0
        self._misses = 0
        self.kinds: Counter[str] = Counter()
        """Requests that found an entry, as far as the policy was told of them, by kind."""
        self.evictions = self.refused = 0
        self.seconds_saved = 0.0
        forks.watch(self)

    def before_fork(self) -> None:
        """Hold still, so that a child process begins with what is whole."""
        self.lock.acquire()

    def after_fork(self, child: bool) -> None:
        """Go on."""
        self.lock.release()

    @property
    def bytes(self) -> int:
        """Bytes that are held."""
        return self.policy.bytes + self._pinned

    @property
    def requests(self) -> int:
        """Number of requests that the policy could be told of so far."""
        return self._latest

    @property
    def hits(self) -> int:
        """Requests that were answered from an entry, those that the policy was not told of among them."""
        return self._latest - self._misses - self.kinds["joined"]

    @property
    def decider(self) -> str:
        """What decides now."""
        return self.policy.decider if isinstance(self.policy, LearningPolicy) else self.policy.name

    @property
    def dropped(self) -> int:
        """Hits that the policy was not told of."""
        return self._latest - self._told

    def drain(self) -> None:
        """Tell the policy of the hits so far."""
        with self.lock:
            ring = self.ring
            while ring:
                number, entry, owner, at, kind = ring.popleft()
                self._told += 1
                self.kinds[kind] += 1
                self._latest = max(self._latest, number)
                self.seconds_saved += entry.seconds
                try:
                    asked = self._owner_id(owner)
                except Exception:  # one who has no encoding: a hit looks at nothing, and who drains asked for nothing
                    owner, asked = None, 0
                if entry.held and not entry.pinned:
                    self.policy.hit(entry.id, self._latest, asked)
                if self.asked is not None:
                    self.asked(entry.name, entry.key, owner)
                if (log := self.log) is not None:
                    log.hit(kind, entry, owner, at, self.decider)

    def missed(self) -> int:
        """Give a request that was no hit its number, and return it."""
        with self.lock:
            number = self.number()
            self._told += 1
            self._misses += 1
            self._latest = max(self._latest, number)
            return number

    def insert(self, entry: Entry, number: int) -> bool:
        """Hold an entry in the place of one of its name; return whether it is held.

        Args:
            entry: the newcomer.
            number: of the request that it answers.
        """
        with self.lock:
            self.drain()
            self._latest = max(self._latest, number)
            pinned = entry.pinned
            for former in (self.entries.get(entry.name), self._ids.get(entry.id)):
                if former is not None:
                    pinned = pinned or former.pinned
                    if self._withdraw(former) and not former.pinned:
                        self.policy.evict(former.id)
            if pinned and entry.size + self._pinned <= self.max_bytes:
                self.entries[entry.name] = self._ids[entry.id] = entry
                entry.pinned = True
                self._pinned += entry.size
                self._give_room()
                return True
            item = Item(entry.id, entry.size, entry.seconds, entry.owner, entry.group)
            gone = self.policy.add(item, self._latest)
            kept = entry.id not in gone
            self._evict(key for key in gone if key != entry.id)
            if kept:
                self.entries[entry.name] = self._ids[entry.id] = entry
            else:
                entry.held = False
                self.refused += 1
            return kept

    def forget(self, name: Name, key: int) -> bool:
        """Let an entry go, with all that is known of its key; return whether it was held.

        Args:
            name: of the key.
            key: its digest, since the policy may remember one that is not held.
        """
        with self.lock:
            self.drain()
            entry = self.entries.get(name)
            held = entry is not None and self._withdraw(entry)
            self.policy.remove(key)
            return held

    def clear(self) -> None:
        """Let all entries go, with all that is known of their keys."""
        with self.lock:
            for entry in list(self.entries.values()):
                self.forget(entry.name, entry.id)
            self.policy.clear()

    def expire(self, entry: Entry) -> None:
        """Let an entry go whose time is over."""
        with self.lock:
            self.drain()
            if self._withdraw(entry):
                self.policy.expire(entry.id)

    def _withdraw(self, entry: Entry) -> bool:
        """Let an entry go, which the policy is yet to be told; return whether it was held."""
        if not entry.held:
            return False
        self._drop(entry)
        if entry.pinned:
            self._pinned -= entry.size
            self._give_room()
        return True

    def pin(self, entry: Entry) -> None:
        """Have an entry stay; its bytes come off those that the policy has."""
        with self.lock:
            if entry.held and not entry.pinned:
                self.policy.evict(entry.id)
                entry.pinned = True
                self._pinned += entry.size
                self._give_room()

    def unpin(self, entry: Entry) -> None:
        """Let the policy decide about an entry again."""
        with self.lock:
            if entry.held and entry.pinned:
                self._drop(entry)
                self._pinned -= entry.size
                self._give_room()
                entry.pinned, entry.held = False, True
                self.insert(entry, self._latest)

    def select(self, wanted: Callable[[Entry], bool]) -> list[Entry]:
        """Return the entries that are wanted."""
        with self.lock:
            return [entry for entry in self.entries.values() if wanted(entry)]

    def _drop(self, entry: Entry) -> None:
        entry.held = False
        del self.entries[entry.name]
        del self._ids[entry.id]

    def _give_room(self) -> None:
        self._evict(self.policy.resize(max(self.max_bytes - self._pinned, 0), self._latest))

    def _evict(self, keys: Iterable[int]) -> None:
        for key in keys:
            self._drop(self._ids[key])
            self.evictions += 1

    def forget_owner(self, owner: int) -> None:
        """Forget what is known of an owner's habits."""
        with self.lock:
            self.drain()
            if isinstance(self.policy, LearningPolicy):
                self.policy.forget_owner(owner)

    def lesson(self) -> Callable[[], None] | None:
        """Return what the policy should learn now, which takes the lock as it needs it; None if nothing."""
        return self.policy.lesson(self.lock) if isinstance(self.policy, LearningPolicy) else None
