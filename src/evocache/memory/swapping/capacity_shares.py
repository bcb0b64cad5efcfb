"""Features of all branches of a generation, each of which may hold an equal share of the room that there is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .gaps import Gaps, Moved
from .lifetimes import Life, Lives
from .lower_bound import moved_at_least


class Kept(NamedTuple):
    """What is done with the features of all branches.

    Attributes:
        peak: most bytes of them on the device, if all branches hold most at once.
        moved: bytes that are moved.
        share: bytes that each branch may hold; None where nothing is parked.
    """

    peak: int
    moved: Moved = Moved()
    share: int | None = None


class Shares:
    """Features of all branches.

    Branches that use values of the same sizes at the same events, as those of guidance do, are looked at once, and what
    is found for a capacity is kept.

    Args:
        branches: lives of the values of each branch.
        ahead: events between a use and the moment from which a parked value is away, and back.
    """

    def __init__(self, branches: Sequence[Lives | Sequence[Life]], ahead: int) -> None:
        known: dict[object, Gaps] = {}
        self._branches: list[Gaps] = []
        for lives in map(Lives.of, branches):
            key = (lives.sizes.tobytes(), lives.uses.tobytes(), lives.first.tobytes())
            if key not in known:
                known[key] = Gaps.of(lives, ahead)
            self._branches.append(known[key])
        self._kept: dict[int, Kept] = {}
        self._parked: dict[int, dict[Gaps, Moved]] = {}
        self._bounds: dict[int, Moved] = {}

    @property
    def whole(self) -> int:
        """Bytes of all features if none is parked."""
        return sum(gaps.whole for gaps in self._branches)

    @property
    def least(self) -> int:
        """Least room that all features can do with."""
        return min(self.whole, len(self._branches) * max((gaps.least for gaps in self._branches), default=0))

    def within(self, room: int) -> Kept | None:
        """Return what is parked so that features stay within some room; None if they cannot."""
        if room < self.least:
            return None
        if room not in self._kept:
            self._kept[room] = self._within(room)
        return self._kept[room]

    def _within(self, room: int) -> Kept:
        if room >= self.whole:
            return Kept(self.whole)
        share = room // len(self._branches)
        found = {gaps: gaps.to(share) for gaps in set(self._branches)}
        self._parked[room] = {gaps: parked.moved for gaps, parked in found.items()}
        parked = [found[gaps] for gaps in self._branches]
        moved = _sum(each.moved for each in parked)
        return Kept(sum(each.peak for each in parked), moved, share if moved.bytes else None)

    def moved_at_least(self, rooms: Sequence[int]) -> list[int]:
        """Return bytes that are moved at the least where features have so much room.

        They are known the better, the more rooms were tried.

        With more room, gaps are parked that are parked with less, too, but not all of them; each that is not can at
        most spare one value its way out. So it is with values of one size (Mattson et al., 1970); of several sizes, for
        which Belady's rule is a rule of thumb, it is taken to be so.
        """
        self._bound([room for room in rooms if room not in self._bounds])
        return [max([self._bounds[room].bytes, *(self._since(room, known) for known in self._kept)]) for room in rooms]

    def _since(self, room: int, known_room: int) -> int:
        """Bytes that are moved at the least with some room, given what is moved with another."""
        known, least = self._kept[known_room].moved, self._bounds[room]
        if room >= self.whole:
            return 0
        if room <= known_room:
            return max(known.written, least.written) + max(known.read, least.read)
        spared = min(known.read - least.read, self._spared(room, known_room))
        return known.bytes - 2 * spared

    def _spared(self, room: int, known_room: int) -> int:
        """Bytes that are read back less, at most, where there is more room than was tried.

        What is read back is a convex function of capacity, as the least of a linear programme is of what it is asked
        for: from what was tried on it falls no faster than it fell up to there, from where all gaps are parked.
        """
        more, before = room // len(self._branches), known_room // len(self._branches)
        spared = 0.0
        for gaps in self._branches:
            below = before - gaps.largest - gaps.least  # values are whole, and so is what they leave
            read = self._parked[known_room][gaps].read
            spared += (more - before + gaps.largest) * (gaps.every - read) / below if below > 0 else read
        return int(spared)

    def _bound(self, rooms: Sequence[int]) -> None:
        """Bounds that nothing needs to be tried for."""
        tight = [room for room in rooms if room < self.whole]
        shares = [room // len(self._branches) for room in tight]
        found = {gaps: moved_at_least(gaps, shares) for gaps in set(self._branches)} if tight else {}
        self._bounds |= dict.fromkeys(rooms, Moved())
        self._bounds |= {room: _sum(found[gaps][i] for gaps in self._branches) for i, room in enumerate(tight)}


def _sum(moved: Iterable[Moved]) -> Moved:
    return Moved(*map(sum, zip(Moved(), *moved, strict=True)))
