"""Which generation a call belongs to: the one whose frame made it, at any depth, in whichever thread.

A pipeline's denoisers, schedulers and autoencoders may be shared with other pipelines, and be called by anybody while a
generation runs: in a callback, by another coroutine or thread, or while the generator that the generation runs in is
suspended. A call is part of a generation if the frame that entered the generation is on the call's own stack, and no
callback lies between. A suspended frame is on no stack; a resumed one is, in any thread.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Hashable, Iterator
from types import FrameType
from typing import Any

Op = Callable[..., Any]
"""What happens instead of a call, which is `original(thing, *args, **kwargs)`: `op(original, thing, args, kwargs)`."""

_entered: dict[FrameType, list[Scope]] = {}
"""Scopes by the frame that entered them, the innermost last."""


class Scope:
    """Operations of one generation, and the frame that they belong to.

    Attributes:
        table: operations by key: the id of an object whose calls are intercepted, or a pair of an id and a method.
        owner: whose operations they are.
    """

    def __init__(self, owner: Any = None) -> None:
        self.table: dict[Hashable, Op] = {}
        self.owner = owner
        self._frame: FrameType | None = None

    def enter(self, above: int = 1) -> None:
        """Let the operations hold for calls that the caller's frame makes.

        What only manages contexts (`contextlib`, and functions that it makes context managers) is passed over: the
        frame is that of the `with` statement.

        Args:
            above: number of frames between this one and the one that is meant, less one.
        """
        self._frame = _managed(sys._getframe(above + 1))
        _entered.setdefault(self._frame, []).append(self)

    def leave(self) -> None:
        """Let the operations hold no longer; from any thread."""
        frame, self._frame = self._frame, None
        self.table.clear()
        self.owner = None  # which has the scope: neither shall need the garbage collector
        if frame is None:
            return
        scopes = _entered[frame]
        scopes.remove(self)
        if not scopes:
            del _entered[frame]


def _managed(frame: FrameType) -> FrameType:
    """The frame of the `with` statement that a frame enters a context for."""
    while frame.f_back is not None:
        inner = frame.f_code.co_flags & GENERATORS and _is_contextlib(frame.f_back)
        if not (inner or _is_contextlib(frame)):
            break
        frame = frame.f_back
    return frame


GENERATORS = 0x20 | 0x80 | 0x200
"""Flags of the code of generators, coroutines and asynchronous generators."""


def _is_contextlib(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "contextlib"


def find(key: Hashable) -> Op | None:
    """Return the operation that the generation of the calling stack has for a key.

    None if it has none, or there is none.
    """
    if not _entered:
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        scopes = _entered.get(frame)
        for scope in () if scopes is None else reversed(scopes):
            op = scope.table.get(key)
            if op is not None:
                return op
        if frame.f_code is _OUTSIDE:
            return None
        frame = frame.f_back
    return None


def owner(kind: type) -> Any:
    """Return the innermost owner of a kind whose scope the calling stack is in.

    Raises:
        LookupError: if there is none.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        for scope in reversed(_entered.get(frame, ())):
            if isinstance(scope.owner, kind):
                return scope.owner
        if frame.f_code is _OUTSIDE:
            break
        frame = frame.f_back
    raise LookupError(f"no {kind.__name__} on the stack")


def owners(kind: type) -> Iterator[Any]:
    """Return all owners of a kind whose scopes the calling stack is in, the innermost first, also through callbacks."""
    frame: FrameType | None = sys._getframe(1) if _entered else None
    while frame is not None:
        for scope in reversed(_entered.get(frame, ())):
            if isinstance(scope.owner, kind):
                yield scope.owner
        frame = frame.f_back


def outside(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same as another, but is no part of the generation that calls it."""

    @functools.wraps(call)
    def called_outside(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    return called_outside


_OUTSIDE = outside(lambda: None).__code__
