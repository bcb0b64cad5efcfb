"""Which schedule, point or policy is applied, from what a user gives and asks for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import FrontError, PolicyError, short
from ...memory.planner.planner import MemoryPlan
from ...model import Model
from ...policies import Gate, NoCache, Policy, is_spec
from ...schedule import Schedule
from ...schedule.front import Front, Point
from ...schedule.front.front_file import is_front
from ...schedule.numbers import check_real
from ...units import format_bytes, in_bytes
from ..program.program import resolve
from .shipped_front import name_of, shipped_front
from .untuned import untuned

DEFAULT = 1.5
"""The speed-up that is chosen where none is asked for: at it, evolved schedules are hardly told from uncached."""

What = Schedule | Point | Policy | Gate | str | os.PathLike[str]


@dataclass(frozen=True)
class Choice:
    """What is applied.

    Attributes:
        what: as `resolve` takes it.
        text: why it was chosen, in a sentence; empty where the user named it.
        notable: whether the user is to be told: nothing was asked for, or nothing was measured.
    """

    what: What
    text: str = ""
    notable: bool = False


def choose(
    pipe: Any,
    model: Model,
    what: What | Front | None,
    *,
    speedup: float | None = None,
    quality: float | None = None,
    memory: MemoryPlan | int | float | str | None = None,
) -> Choice:
    """Choose what is applied to a pipeline.

    Args:
        pipe: the pipeline.
        model: its denoisers.
        what: what the user gave; None for nothing.
        speedup: least speed-up over the uncached pipeline.
        quality: least quality, in the front's own measure.
        memory: most bytes that a generation may hold, or a plan.

    Raises:
        FrontError: if no point of the front meets the wishes, or a quality is asked for without a front.
        PolicyError: if a wish comes with something that nothing is picked from, or no policy reaches it.
        RunError: if a run or front cannot be read.
    """
    figures = {"speedup": speedup, "quality": quality}
    wishes = {name: value for name, value in figures.items() if value is not None}
    front, source = _front(what)
    if front is not None:
        return _pick(front, source, _with_memory(front, wishes, memory))
    if what is not None and not isinstance(what, Front):
        if wishes:
            resolve(what)  # which says it if it is nothing at all
            raise PolicyError(
                f"{_describe(wishes)} with {_describe_given(what)}",
                "a front, the folder of a run, or nothing, to choose from",
                f"leave out {' and '.join(wishes)} to apply it as it is, or give a run in its place",
            )
        return Choice(what)
    if memory is not None and not wishes:
        return Choice(NoCache(), "memory alone was asked for: everything is computed, in the memory that is given")
    shipped = shipped_front(pipe, model)
    if shipped is not None:
        found = _pick(shipped, "the front that ships with the model", _with_memory(shipped, wishes, memory))
        return Choice(found.what, found.text, notable=not wishes)
    return _without_front(pipe, model, wishes)


def _front(what: Any) -> tuple[Front | None, str]:
    """The front that is given, or that a folder or file holds, and its name; None if it is none."""
    if isinstance(what, Front):
        return what, "the front"
    path = isinstance(what, os.PathLike) or (isinstance(what, str) and not is_spec(what))
    if path and is_front(what):
        return Front.load(what), os.fspath(what)
    return None, ""


def _with_memory(front: Front, wishes: Mapping[str, float], memory: Any) -> dict[str, Any]:
    """The wishes for a point of a front: memory is one where the front knows what its points hold."""
    known = any(point.held is not None for point in front)
    limits = memory is not None and not isinstance(memory, MemoryPlan) and known
    return {**wishes, **({"memory": in_bytes(memory)} if limits else {})}


def _pick(front: Front, source: str, wishes: Mapping[str, Any]) -> Choice:
    """The point of a front that meets the wishes; where there are none, one of the usual speed-up or the nearest."""
    if wishes:
        point = front.pick(**wishes)
        return Choice(point, f"{_describe(wishes)}: {_figures(front, point)} of {source}")
    try:
        point = front.pick(speedup=DEFAULT)
    except FrontError:
        speeds = [point.figure("speedup") or 0.0 for point in front if point.sold]
        if not any(speeds):
            raise
        point = front.pick(speedup=max(speeds))
    text = f"nothing was asked for: {_figures(front, point)} of {source}; ask for more or less with speedup=2"
    return Choice(point, text, notable=True)


def _without_front(pipe: Any, model: Model, wishes: Mapping[str, float]) -> Choice:
    """The untuned policy for a speed-up, or for nothing."""
    name = name_of(pipe)
    run = f"runs/{re.split('[/:]', name)[-1] or 'mine'}"
    command = f"evocache evolve --model {name or 'MODEL'} --out {run}"
    if "quality" in wishes:
        raise FrontError(
            f"{_describe(wishes)} without a front, so that no quality is known",
            "a front that was evolved for the model",
            f'run `{command}`, then apply(pipe, "{run}", quality={wishes["quality"]!r})',
        )
    speedup = check_real(wishes.get("speedup", DEFAULT), "speedup", PolicyError, above=0)
    policy = untuned(pipe, model, speedup)
    began = _describe(wishes) if wishes else "nothing was asked for"
    text = (
        f"{began}: {policy}, which is not tuned to the model: it is predicted to make the denoiser {speedup:.3g}x as "
        f"fast, and its quality is unknown. `{command}` evolves schedules whose quality is measured"
    )
    return Choice(policy, text, notable=True)


def _figures(front: Front, point: Point) -> str:
    """A point of a front, with what is known of it, in words."""
    number = next(i for i, other in enumerate(front) if other is point)
    known = {name: point.figure(name) for name in ("speedup", "quality")}
    texts = {"speedup": "{:.2f}x", "quality": "quality {:.4g}"}
    parts = [texts[name].format(value) for name, value in known.items() if value is not None]
    how = "measured" if "speedup" in point.measured else "predicted"
    return f"point {number} ({', '.join(parts)}, {how})" if parts else f"point {number}"


def _describe(wishes: Mapping[str, Any]) -> str:
    """Wishes as they are written."""
    return ", ".join(
        f"{name}={format_bytes(value) if name == 'memory' else short(value)}" for name, value in wishes.items()
    )


def _describe_given(what: Any) -> str:
    """What was given, in words."""
    if isinstance(what, (str, Policy, Gate)):
        return repr(str(what))
    return os.fspath(what) if isinstance(what, os.PathLike) else f"a {type(what).__name__}"
