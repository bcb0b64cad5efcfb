"""What a child process may not inherit: open databases, locks that are held, queues that the parent empties."""

from __future__ import annotations

import itertools
import os
from typing import Protocol
from weakref import ref


class Forked(Protocol):
    """Something that wants to know of forks."""

    def before_fork(self) -> None:
        """Let go of what must not be in two processes, and hold still."""

    def after_fork(self, child: bool) -> None:
        """Go on, as a new one in the child."""


TRIES = 5
"""How often all are told to hold still, since one that did not yet may have made another one meanwhile."""

_WATCHED: dict[int, ref[Forked]] = {}
_HELD: list[Forked] = []
_COUNT = itertools.count()


def watch(one: Forked) -> None:
    """Tell an object of forks as long as it lives; those that were watched last are told first.

    So a queue is told before what it writes to. The hooks themselves cannot be taken back, and are set once.
    """
    number = next(_COUNT)
    if number == 0 and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=lambda: _after(False), after_in_child=lambda: _after(True))
    _WATCHED[number] = ref(one, lambda _: _WATCHED.pop(number, None))


def _before() -> None:
    for left in range(TRIES, 0, -1):
        numbers = sorted(_WATCHED, reverse=True)
        for number in numbers:
            known = _WATCHED.get(number)
            one = None if known is None else known()
            if one is not None:
                one.before_fork()
                _HELD.append(one)
        if left == 1 or set(_WATCHED) <= set(numbers):
            return
        _after(False)


def _after(child: bool) -> None:
    while _HELD:
        _HELD.pop().after_fork(child)
