"""Lists that a user gives: one text is none, though Python would take its letters for the elements. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import RunError
from ..schedule import Schedule
from ..schedule.front import Point
from ..schedule.numbers import check_real, check_whole
from ..schedule.size_limits import MAX_STEPS


def check_texts(given: Any, name: str) -> tuple[str, ...]:
    """Return the texts of a list.

    Raises:
        RunError: if it is one text, has no order, or holds something else than texts.
    """
    if isinstance(given, (str, bytes)):
        raise RunError(f"{name}={given!r}, one text", "a list of texts", f"write {name}=[{given!r}]")
    if isinstance(given, (Mapping, set, frozenset)) or not isinstance(given, Iterable):
        raise RunError(f"{name} as a {type(given).__name__}", "a list of texts", f'write {name}=["...", "..."]')
    found = tuple(given)
    for text in found:
        if not isinstance(text, str):
            raise RunError(f"{name} with {text!r} in it", "texts alone", "leave it out, or write a text")
    return found


def check_some_texts(given: Any, name: str) -> tuple[str, ...] | None:
    """Return the same of what may be left out."""
    return None if given is None else check_texts(given, name)


def check_starts(given: Any) -> tuple[Schedule | Point, ...]:
    """Return the schedules and points of a front or list to start from.

    Raises:
        RunError: if it is neither, or holds something else.
    """
    mend = "give a front, such as Front.load(run), or a list such as [schedule]"
    if isinstance(given, (str, bytes, Schedule, Point)) or not isinstance(given, Iterable):
        raise RunError(f"start={given!r}", "a front, or a list of schedules and points", mend)
    found = tuple(given)
    for one in found:
        if not isinstance(one, (Schedule, Point)):
            raise RunError(f"start with {one!r} in it", "schedules and points alone", mend)
    return found


def check_amounts(seconds: Any, batch: Any, workers: Any, least_steps: Any) -> None:
    """Check the numbers that a user gives beside settings.

    Args:
        seconds: time for the evolution; None for no limit.
        batch: prompts in one call.
        workers: processes that evaluate.
        least_steps: fewest steps that schedules may have, if that is given.

    Raises:
        RunError: if one is no number, or out of range.
    """
    if seconds is not None:
        check_real(seconds, "budget_seconds", RunError, above=0)
    check_whole(batch, "batch", 1, 10**6, RunError)
    check_whole(workers, "workers", 1, 10**4, RunError)
    if least_steps is not None:
        check_whole(least_steps, "least_steps", 2, MAX_STEPS, RunError)


def check_arguments(given: Any) -> dict[str, Any]:
    """Return the arguments of a pipeline's call, by name.

    Raises:
        RunError: if they are not.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        mend = 'write call={"num_inference_steps": 20}'
        raise RunError(f"call={given!r}", "arguments of the pipeline's call by name", mend)
    return dict(given)
