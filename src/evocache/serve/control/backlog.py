"""Predicted work that was let in and is not over: by group, by what it would take at each level, and by owner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .shares import Owner


class Group(NamedTuple):
    """What waits in one line.

    Attributes:
        model: whose controller its points are chosen by.
        patient: whether nobody waits at the line: videos and pictures in the background.
    """

    model: str
    patient: bool = False


@dataclass(eq=False)
class Entry:
    """One generation that was let in.

    Attributes:
        group: the line that it is in.
        owner: whose it is.
        levels: predicted seconds at each level of its model's controller, from the best to the floor.
        running: predicted seconds at the point that it runs at; None while it waits.
        left: share of its work that is left.
        charged: whether its seconds were charged to the quota of its owner's key by this server.
    """

    group: Group
    owner: Owner
    levels: tuple[float, ...]
    running: float | None = None
    left: float = 1.0
    charged: bool = True

    @property
    def least(self) -> float:
        """Predicted seconds at the floor."""
        return self.levels[-1]


@dataclass
class _Line:
    """Sums over a group's entries."""

    waiting: list[float]
    entries: set[Entry] = field(default_factory=set)
    rest: float = 0.0
    by_account: dict[object, float] = field(default_factory=dict)
    by_user: dict[object, dict[object, float]] = field(default_factory=dict)


class Backlog:
    """Adds up entries as they come, begin, go on and leave; every question is answered from sums."""

    def __init__(self) -> None:
        self._lines: dict[Group, _Line] = {}
        self._sizes: Counter[object] = Counter()
        self.levels: dict[str, int] = {}
        """The level of each model's controller."""

    def add(self, entry: Entry) -> None:
        """Let an entry in: it waits."""
        line = self._lines.setdefault(entry.group, _Line([0.0] * len(entry.levels)))
        line.entries.add(entry)
        self._sizes[entry.owner.account] += 1
        self._wait(line, entry, 1)

    def begin(self, entry: Entry, seconds: float) -> None:
        """Note that an entry that waits was handed to a worker, at a point at which it takes predicted seconds."""
        line = self._lines[entry.group]
        self._wait(line, entry, -1)
        entry.running, entry.left = seconds, 1.0
        line.rest += seconds

    def progress(self, entry: Entry, left: float) -> None:
        """Note which share of an entry that runs is left."""
        if entry.running is not None:
            self._lines[entry.group].rest += entry.running * (left - entry.left)
            entry.left = left

    def wait_again(self, entry: Entry) -> None:
        """Note that an entry that ran waits again, with all of its work."""
        line = self._lines[entry.group]
        line.rest -= (entry.running or 0.0) * entry.left
        entry.running, entry.left = None, 1.0
        self._wait(line, entry, 1)

    def remove(self, entry: Entry) -> None:
        """Note that an entry is over; it may have been removed before."""
        line = self._lines.get(entry.group)
        if line is None or entry not in line.entries:
            return
        line.entries.discard(entry)
        self._sizes[entry.owner.account] -= 1
        if not self._sizes[entry.owner.account]:
            del self._sizes[entry.owner.account]
        if entry.running is None:
            self._wait(line, entry, -1)
        else:
            line.rest -= entry.running * entry.left
        if not line.entries:  # sums of nothing are nothing, whatever the rounding was
            del self._lines[entry.group]

    def _wait(self, line: _Line, entry: Entry, sign: int) -> None:
        for level, seconds in enumerate(entry.levels):
            line.waiting[level] += sign * seconds
        account, user = entry.owner.account, entry.owner.user
        users = line.by_user.setdefault(account, {})
        for sums, name in ((line.by_account, account), (users, user)):
            sums[name] = sums.get(name, 0.0) + sign * entry.least
            if sums[name] <= 1e-9:
                del sums[name]
        if not users:
            del line.by_user[account]

    def __len__(self) -> int:
        return sum(self._sizes.values())

    def size(self, owner: Owner) -> int:
        """Return how many entries an owner's account has."""
        return self._sizes[owner.account]

    @property
    def rest(self) -> float:
        """Predicted seconds that are left of what runs."""
        return sum(max(0.0, line.rest) for line in self._lines.values())

    def waiting(self, group: Group) -> float:
        """Return predicted seconds at the floor of what waits in a group."""
        line = self._lines.get(group)
        return 0.0 if line is None else max(0.0, line.waiting[-1])

    def ahead(self, group: Group, level: int, more: float = 0.0) -> float:
        """Return predicted seconds of work that are done until all of a group, and more, is done.

        Groups have even shares while they have work: what lies in the others counts at most as much as the group's own
        work, for each of them.

        Args:
            group: the line.
            level: of its model's controller, at which what waits in it is taken; negative ones count from the floor.
            more: predicted seconds of a request that asks to be let in.
        """
        own = self._work(group, level) + more
        others = [self._work(other, self.levels.get(other.model, -1)) for other in self._lines if other != group]
        return own + sum(min(own, work) for work in others)

    def _work(self, group: Group, level: int) -> float:
        line = self._lines.get(group)
        if line is None:
            return 0.0
        return max(0.0, line.rest) + max(0.0, line.waiting[min(level, len(line.waiting) - 1)])

    def turn(self, group: Group, owner: Owner, more: float) -> float:
        """Return predicted seconds at the floor of what waits in a group that go before an owner's, and more, is over.

        Users of an account have even shares, and so have accounts: what others have there counts at most as much as its
        own, for each of them.
        """
        line = self._lines.get(group)
        accounts = {} if line is None else line.by_account
        users = {} if line is None else line.by_user.get(owner.account, {})
        mine = _with_others(users, owner.user, users.get(owner.user, 0.0) + more)
        return _with_others(accounts, owner.account, mine)

    def excess(self, group: Group, owner: Owner, more: float) -> float:
        """Return how many predicted seconds more than an even share an owner would have of what waits in a group.

        Shares are even between accounts, and within an account between its users. Who has nothing there may have one
        request, whatever it takes; it is negative where an owner has less than its share.

        Args:
            group: the line.
            owner: who asks for more.
            more: predicted seconds at the floor that it asks for.
        """
        line = self._lines.get(group)
        accounts = {} if line is None else line.by_account
        users = {} if line is None else line.by_user.get(owner.account, {})
        return max(_excess(accounts, owner.account, more), _excess(users, owner.user, more))


def _with_others(sums: Mapping[object, float], name: object, own: float) -> float:
    return own + sum(min(own, held) for other, held in sums.items() if other != name)


def _excess(sums: Mapping[object, float], name: object, more: float) -> float:
    if name not in sums:
        return 0.0
    return sums[name] + more - (sum(sums.values()) + more) / len(sums)
