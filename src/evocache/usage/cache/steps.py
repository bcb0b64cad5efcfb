"""Steps of an answer that a thread and a coroutine take in ways of their own: waiting, computing, asking a disk.

How a question is answered is written once, as a generator that yields its steps and is sent what came of them; `run`
takes the steps in a thread, `arun` in a coroutine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from inspect import isawaitable
from types import GeneratorType
from typing import Any, Protocol, TypeAlias, TypeVar

Result = TypeVar("Result")


class Step(Protocol):
    """Something that takes time."""

    def now(self) -> Any:
        """Return what comes of it, in a thread that may be blocked."""

    async def later(self) -> Any:
        """Return what comes of it, in a coroutine."""


Steps: TypeAlias = Generator[Step, Any, Result]
"""Yields steps, is sent what comes of each, and returns a result."""


class StoppedError(Exception):
    """Holds a `StopIteration` of a user's function, which a generator cannot raise."""

    def __init__(self, error: StopIteration) -> None:
        super().__init__()
        self.error = error


@dataclass(frozen=True, slots=True)
class Computed:
    """Calls a user's function, which may be a coroutine function where a coroutine asks."""

    function: Callable[[], Any]

    def now(self) -> Any:
        """Return what the function returns."""
        return self.function()

    async def later(self) -> Any:
        """Return what the function returns, awaited if it is to be."""
        found = self.function()
        kind = type(found)  # asked for no more: a value may refuse to say what it is
        awaited = hasattr(kind, "__await__") or (kind is GeneratorType and isawaitable(found))
        return await found if awaited else found


@dataclass(frozen=True, slots=True)
class Blocking:
    """Calls a function that waits for a disk or a server; a coroutine has a thread do so."""

    function: Callable[[], Any]

    def now(self) -> Any:
        """Return what the function returns."""
        return self.function()

    async def later(self) -> Any:
        """Return what the function returns."""
        return await asyncio.to_thread(self.function)


def run(steps: Steps[Result]) -> Result:
    """Take steps in this thread, and return their result."""
    try:
        step = next(steps)
        while True:
            try:
                found = step.now()
            except StopIteration as of_user:
                step = steps.throw(StoppedError(of_user))
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(found)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    except StoppedError as stopped:
        users = stopped.error
    raise users


async def arun(steps: Steps[Result]) -> Result:
    """Take steps in a coroutine, and return their result."""
    try:
        step = next(steps)
        while True:
            try:
                found = await step.later()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(found)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
