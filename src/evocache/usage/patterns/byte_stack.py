"""Keys by how recently they were asked for, and the bytes of those that came after one."""

from __future__ import annotations

from collections.abc import Iterator

from .settings import Key


class ByteStack:
    """Keeps keys in order of their last request, with their bytes.

    A Fenwick tree over the places holds the bytes, so that touching a key takes logarithmic time (Bennett and Kruskal,
    IBM Journal of Research and Development 19(4), 1975).
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._places: dict[Key, int] = {}
        self._sizes: list[int] = [0]  # by place, from 1
        self._tree: list[int] = [0]
        self._total = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[tuple[Key, int]]:
        """Yield keys and bytes, the one that was not asked for longest first."""
        for key, place in sorted(self._places.items(), key=lambda item: item[1]):
            yield key, self._sizes[place]

    def touch(self, key: Key, size: int) -> int | None:
        """Make a key the latest one.

        Args:
            key: which.
            size: its bytes now.

        Returns:
            Bytes of all keys that were asked for since it was, itself left out; None if it is new.
        """
        place = self._places.get(key)
        above = None
        if place is not None:
            above = self._total - self._up_to(place)
            self._put(place, 0)
            del self._places[key]
        if len(self._sizes) > max(1024, 4 * len(self._places)):
            self._compact()
        self._push(key, size)
        return above

    def remove(self, key: Key) -> None:
        """Forget a key."""
        self._put(self._places.pop(key), 0)

    def _push(self, key: Key, size: int) -> None:
        place = len(self._sizes)
        self._places[key] = place
        self._sizes.append(size)
        low = place & -place
        inner = sum(self._tree[place - (1 << bit)] for bit in range(low.bit_length() - 1))
        self._tree.append(size + inner)
        self._total += size

    def _put(self, place: int, size: int) -> None:
        more = size - self._sizes[place]
        self._sizes[place] = size
        self._total += more
        while place < len(self._tree):
            self._tree[place] += more
            place += place & -place

    def _up_to(self, place: int) -> int:
        total = 0
        while place:
            total += self._tree[place]
            place &= place - 1
        return total

    def _compact(self) -> None:
        """Give places that were left free again."""
        held = list(self)
        self._clear()
        for key, size in held:
            self._push(key, size)
