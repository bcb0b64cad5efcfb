"""Policies decide as the plainest form of their algorithm does: lists, and a look at every entry."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.usage.policies.policy import Item
from evocache.usage.policies.registry import policy


class Lowest:
    """Evicts the lowest rank by looking at all; of equal ones, the least recently used."""

    def __init__(self, room, rank):
        self.room, self.rank, self.held, self.clock, self.uses = room, rank, {}, 0.0, 0

    def ask(self, item):
        self.uses += 1
        gone = []
        if item.key in self.held:
            count = self.held[item.key][3] + 1
        else:
            count = 1
            while sum(entry[2].size for entry in self.held.values()) + item.size > self.room:
                left = min(self.held.values(), key=lambda entry: entry[:2])
                self.clock = left[0]
                del self.held[left[2].key]
                gone.append(left[2].key)
        self.held[item.key] = (self.rank(self.clock, count, item), self.uses, item, count)
        return gone


class Sieve:
    """Algorithm 1 on a list, young to old; `hand` is a place in it, or None for the old end."""

    def __init__(self, room):
        self.room, self.queue, self.marked, self.hand = room, [], set(), None

    def ask(self, item):
        if item.key in [held.key for held in self.queue]:
            self.marked.add(item.key)
            return []
        gone = []
        while sum(held.size for held in self.queue) + item.size > self.room:
            place = len(self.queue) - 1 if self.hand is None else self.hand
            while self.queue[place].key in self.marked:
                self.marked.remove(self.queue[place].key)
                place = place - 1 if place else len(self.queue) - 1
            gone.append(self.queue.pop(place).key)
            self.hand = place - 1 if place else None
        self.queue.insert(0, item)
        if self.hand is not None:
            self.hand += 1
        return gone


class S3Fifo:
    """Algorithm 1 on three lists, old to young; entries are [item, frequency]."""

    def __init__(self, room):
        self.room, self.small, self.main, self.ghosts = room, [], [], []

    def ask(self, item):
        for entry in self.small + self.main:
            if entry[0].key == item.key:
                entry[1] = min(entry[1] + 1, 3)
                return []
        gone = []
        while self.bytes(self.small) + self.bytes(self.main) + item.size > self.room:
            if self.small and (self.bytes(self.small) >= 0.1 * self.room or not self.main):
                self.evict_small(gone)
            else:
                self.evict_main(gone)
        ghost = [entry for entry in self.ghosts if entry[0].key == item.key]
        for entry in ghost:
            self.ghosts.remove(entry)
        (self.main if ghost else self.small).append([item, 0])
        return gone

    def bytes(self, queue):
        return sum(item.size for item, _ in queue)

    def evict_small(self, gone):
        while self.small:
            entry = self.small.pop(0)
            if entry[1] > 1:
                self.main.append([entry[0], 0])
                while self.bytes(self.main) > 0.9 * self.room:
                    self.evict_main(gone)
            else:
                self.ghosts.append(entry)
                while self.bytes(self.ghosts) > 0.9 * self.room:
                    self.ghosts.pop(0)
                gone.append(entry[0].key)
                return

    def evict_main(self, gone):
        while self.main[0][1]:
            item, frequency = self.main.pop(0)
            self.main.append([item, frequency - 1])
        gone.append(self.main.pop(0)[0].key)


REFERENCES = {
    "lru": lambda room: Lowest(room, lambda clock, count, item: 0),
    "lfu": lambda room: Lowest(room, lambda clock, count, item: count),
    "gdsf": lambda room: Lowest(room, lambda clock, count, item: clock + count * item.seconds / item.size),
    "lcbfu": lambda room: Lowest(room, lambda clock, count, item: count * item.seconds),
    "sieve": Sieve,
    "s3fifo": S3Fifo,
}

asked = st.lists(st.integers(0, 9) | st.integers(0, 30), max_size=120)
figures = st.lists(st.integers(1, 6), min_size=31, max_size=31)


@pytest.mark.parametrize("name", REFERENCES)
@given(asked, figures, figures, st.integers(6, 25))
@settings(max_examples=150, deadline=None)
def test_the_same_leave_at_the_same_requests(name, keys, sizes, seconds, room):
    ours, theirs = policy(name, room), REFERENCES[name](room)
    for now, key in enumerate(keys, 1):
        item = Item(key, sizes[key], float(seconds[key]))
        if key in ours:
            ours.hit(key, now)
            assert theirs.ask(item) == []
        else:
            assert ours.add(item, now) == theirs.ask(item)
