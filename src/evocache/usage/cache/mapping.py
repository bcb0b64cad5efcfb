"""What makes a cache a mapping: single keys, without computing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, ItemsView, Iterator, MutableMapping, ValuesView
from typing import Any

from .answers import Answers
from .contents import Contents
from .entry import Entry, Question
from .names import Names


class FreshItems(ItemsView[Hashable, Any]):
    """Gives keys and values that are fresh; looking through them is no request."""

    _mapping: AnswersMapping

    def __iter__(self) -> Iterator[tuple[Hashable, Any]]:
        return self._mapping.fresh()

    def __contains__(self, item: object) -> bool:
        return any(item == own for own in self)


class FreshValues(ValuesView[Any]):
    """Gives values that are fresh; looking through them is no request."""

    _mapping: AnswersMapping

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._mapping.fresh())

    def __contains__(self, value: object) -> bool:
        return any(value is own or value == own for own in self)


class AnswersMapping(MutableMapping[Hashable, Any]):
    """Gives, keeps and forgets the answers of single keys.

    A look-up (`[]`, `get`, `pop`) is a request, answered or not. All else is none: `in`, `len`, going through keys,
    values and items, and keeping.

    Args:
        answers: keeps them.
        clock: seconds, on a clock that never goes back.
    """

    def __init__(self, answers: Answers, clock: Callable[[], float]) -> None:
        self._answers = answers
        self._contents: Contents = answers.contents
        self._entries, self._ring = self._contents.entries, self._contents.ring
        self._number, self._clock = self._contents.number, clock
        self._name = Names.name

    def __getitem__(self, key: Hashable) -> Any:
        """Return the value of a key that is held, fresh.

        Raises:
            KeyError: if it is not held.
        """
        entry = self._entries.get(self._name(key))
        if entry is None or (now := self._clock()) >= entry.fresh:
            self._contents.missed()
            raise KeyError(key)
        self._ring.append((self._number(), entry, None, now, "hit"))
        given, value = self._answers.give(entry)
        if not given:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        """Keep a value, as `put` does."""
        self.put(key, value)

    def __delitem__(self, key: Hashable) -> None:
        """Forget a key.

        Raises:
            KeyError: if it is not held.
        """
        if not self.invalidate(key):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        entry = self._entries.get(self._name(key))
        return entry is not None and self._clock() < entry.fresh

    def __iter__(self) -> Iterator[Hashable]:
        return iter([entry.key for entry in self._fresh()])

    def __len__(self) -> int:
        return len(self._fresh())

    def _fresh(self) -> list[Entry]:
        now = self._clock()
        return self._contents.select(lambda entry: now < entry.fresh)

    def fresh(self) -> Iterator[tuple[Hashable, Any]]:
        """Give the keys and values that are fresh, without a request."""
        for entry in self._fresh():
            given, value = self._answers.give(entry)
            if given:
                yield entry.key, value

    def items(self) -> FreshItems:
        """Return the keys and values that are fresh."""
        return FreshItems(self)

    def values(self) -> FreshValues:
        """Return the values that are fresh."""
        return FreshValues(self)

    def put(
        self,
        key: Hashable,
        value: Any,
        *,
        owner: Hashable | None = None,
        group: Hashable | None = None,
        ttl: float | None = None,
        size: int | None = None,
        seconds: float | None = None,
    ) -> bool:
        """Keep a value that was computed elsewhere, and return whether it is held.

        The arguments are those of `get_or_compute`; without `seconds` it is taken for as dear as the average answer.

        Raises:
            UsageError: if the key has no encoding, or the value cannot be copied.
        """
        return self._answers.put(Question(key, self._name(key), owner, group, ttl, size, seconds), value)

    async def aget(self, key: Hashable, default: Any = None, *, owner: Hashable | None = None) -> Any:
        """Return the value of a key that memory or a tier below holds, fresh; else the default.

        It is a request, answered or not; a thread waits for disk and server.

        Args:
            key: the key.
            default: what is given where it is not held.
            owner: who asks: a label to learn from.

        Raises:
            UsageError: if the key, or the owner, has no encoding.
        """
        question = Question(key, self._name(key), owner)
        question.check(self._answers.names)
        entry = self._entries.get(question.name)
        if entry is not None and (now := self._clock()) < entry.fresh:
            self._ring.append((self._number(), entry, owner, now, "hit"))
        else:
            with self._answers.flights.apart(question) as flight:
                below = self._answers.below
                entry = await asyncio.to_thread(self._answers.from_below, flight) if below else None
            if entry is None:
                self._answers.missed(question)
        given, value = (False, None) if entry is None else self._answers.give(entry)
        return value if given else default

    def invalidate(self, key: Hashable) -> bool:
        """Forget a key in this process and all tiers, and return whether it was held in memory.

        Other processes give what they hold in memory until its time is over; to the tiers they do not bring it back.
        An answer that is being computed is given to those who asked before, and not kept.
        """
        name = self._name(key)
        self._answers.flights.void(lambda question: question.name == name)
        held = self._contents.forget(name, self._answers.names.id(name))
        self._answers.below.delete(name)
        return held

    async def ainvalidate(self, key: Hashable) -> bool:
        """Forget a key as `invalidate` does, in a coroutine: a thread waits for disk and server."""
        return await asyncio.to_thread(self.invalidate, key)

    __eq__ = object.__eq__
    __hash__ = object.__hash__
