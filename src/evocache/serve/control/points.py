"""Which points of a model's front a request may be given."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from ...errors import FrontError, nearest, short
from ..workers.card import ModelCard, PointCard
from ..workers.task import Value

Name = Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"]
"""Qualities by name, as clients of OpenAI's images send them; the last two are older names of medium and high."""

LOWEST: Mapping[str, float] = {"low": -math.inf, "medium": 33.0, "high": 40.0, "xhigh": 50.0, "max": math.inf}
"""The least quality that a name stands for, in dB of PSNR to uncached. While there is time enough, a request gets what
the name above it ends with."""

UNCACHED = "uncached"
"""The label of what is no point: everything is computed."""

OLDER = {"standard": "medium", "hd": "high"}


@dataclass(frozen=True)
class PointWishes:
    """What decides on the point that a task is given, as its owner wishes it.

    Attributes:
        speedup: least speed-up; None if it may take as long as it takes.
        quality: a name, or the least quality in dB; None for `auto`, whatever the server can.
        deadline: seconds from now until it should have ended; None if it may take any.
        durable: whether its owner does not wait at the line: it was promised, and is run again if its worker dies.
        point: label of the point that it had when it was begun before, `uncached` for none; it gets no other one, as
            long as the model's front has it.
    """

    speedup: float | None = None
    quality: float | str | None = None
    deadline: float | None = None
    durable: bool = False
    point: str | None = None


@dataclass(frozen=True)
class ServerPoints:
    """Which points a server gives to those who ask for nothing.

    Attributes:
        best: speed-up of the best; 1 computes everything. At 1.5 evolved schedules are hardly told from uncached.
        floor: least quality, in dB, below which nobody is given anything; None for the fastest point of the front.
            Points whose quality nobody has measured are below any.

    Raises:
        FrontError: if one of them is no number, or the best is slower than uncached.
    """

    best: float = 1.5
    floor: float | None = 30.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.best) and self.best >= 1):
            raise FrontError(f"a best point of speed-up {self.best!r}", "a number of at least 1", "give 1 for uncached")
        if self.floor is not None and not math.isfinite(self.floor):
            raise FrontError(f"a floor of {self.floor!r}", "a quality in dB", "give a number, or none")


@dataclass(frozen=True)
class Ladder:
    """Points from the best that may be given to the least: uncached first if it is one of them, then the slowest.

    Attributes:
        points: of the model, uncached (None) and then from the slowest to the fastest.
        first: place of the best that may be given.
        last: place of the least that may be given.
        outside: what of the call is not as it was where the front was measured, in words; empty if all is.
    """

    points: tuple[PointCard | None, ...]
    first: int
    last: int
    outside: str = ""

    def __len__(self) -> int:
        return self.last - self.first + 1

    def at(self, place: int) -> PointCard | None:
        """Return the point at a place, or the nearest to it that may be given."""
        return self.points[min(max(place, self.first), self.last)]


def server_ladder(card: ModelCard, server: ServerPoints) -> Ladder:
    """Return the points that requests without wishes get, the best first: the levels of the model's controller."""
    return _ladder(card.points, server)


def offered(points: Sequence[PointCard], server: ServerPoints) -> tuple[PointCard, ...]:
    """Return the points of a front that may be asked for: those above the server's floor."""
    ladder = _ladder(points, server)
    return tuple(point for point in ladder.points[: ladder.last + 1] if point is not None)


def _ladder(front: Sequence[PointCard], server: ServerPoints) -> Ladder:
    points = (None, *front)
    last = _last(points, -math.inf if server.floor is None else server.floor, unknown=server.floor is None)
    return Ladder(points, min(_first(points, server.best), last), last)


def ladder_of(
    card: ModelCard,
    arguments: Mapping[str, Value],
    wishes: PointWishes,
    server: ServerPoints,
    pictures: Collection[str] = (),
    loras: Mapping[str, float] = MappingProxyType({}),
) -> Ladder:
    """Return the points that a request may be given.

    Outside of the front's context (other guidance, steps, size, given pictures, LoRAs) its figures say nothing:
    everything is computed. With one LoRA at its usual weight the front is that LoRA's, if it has one.

    Args:
        card: of its model.
        arguments: of its call.
        wishes: its speed-up and quality.
        server: what the server gives to those who ask for nothing, and its floor.
        pictures: names of arguments that are pictures.
        loras: that act, with their weights.

    Raises:
        FrontError: if a wish is none, or no point meets both and the server's floor.
    """
    speedup, quality = _read_speedup(wishes.speedup), _read_quality(wishes.quality)
    front = front_for(card, loras)
    points, all_of_it = (None, *front.points), _ladder(front.points, server)
    outside = outside_of(card, arguments, pictures, loras)
    before = [at for at, point in enumerate(points) if wishes.point == (UNCACHED if point is None else point.label)]
    if before:
        return Ladder(points, before[0], before[0], outside)
    if outside:
        return Ladder(points, 0, 0, outside)
    first, last = all_of_it.first, all_of_it.last
    if isinstance(quality, str):
        names = list(LOWEST)
        above = LOWEST.get(names[min(names.index(quality) + 1, len(names) - 1)], math.inf)
        last = min(last, _last(points, LOWEST[quality]))
        first = min(_last(points, above), last)
    elif quality is not None:
        last = min(last, _last(points, quality))
        first = min(first, last)
    if speedup is not None:
        first = _first(points, speedup)
        if first > last or _speed(points[first]) < speedup:
            raise _unreachable(card, points[: last + 1], wishes)
    return Ladder(points, first, last)


class FrontCard(NamedTuple):
    """The front that is nearest to what a request asks for.

    Attributes:
        points: that may be given as far as LoRAs are concerned.
        context: values of the call that its figures hold for.
        outside: which LoRAs act that did not where it was measured, in words; empty if none do.
    """

    points: tuple[PointCard, ...]
    context: Mapping[str, Value]
    outside: str = ""


def front_for(card: ModelCard, loras: Mapping[str, float]) -> FrontCard:
    """Return the front of a model for LoRAs that act: its own for none, one's own where that acts alone as usual."""
    if not loras:
        return FrontCard(card.points, card.context)
    own = [lora for lora in card.loras if lora.name in loras and lora.points]
    if len(loras) == 1 and own and loras[own[0].name] == own[0].weight:
        return FrontCard(own[0].points, own[0].context)
    acting = " and ".join(f"{name} {weight:g}" for name, weight in loras.items())
    measured = "" if not card.points else "none"
    if own:
        measured = " or ".join(f"{lora.name} {lora.weight:g} alone" for lora in own)
    return FrontCard((), {}, f"LoRA {acting} acts, measured with {measured}" if measured else "")


def outside_of(
    card: ModelCard,
    arguments: Mapping[str, Value],
    pictures: Collection[str] = (),
    loras: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """Return what of a call is not as it was where a front was measured, in words; empty if all is.

    Args:
        card: of the model.
        arguments: of the call.
        pictures: names of arguments that are pictures.
        loras: that act, with their weights.
    """
    front = front_for(card, loras)
    given = {**card.defaults, **arguments}
    other = [
        f"{name} is {short(given[name])}, measured at {short(value)}"
        for name, value in front.context.items()
        if name in given and given[name] != value
    ]
    if front.points:
        other += [
            f"{name} is given, and was not where it was measured" for name in pictures if name not in card.defaults
        ]
    return "; ".join([*([front.outside] if front.outside else []), *other])


def _speed(point: PointCard | None) -> float:
    return 1.0 if point is None else point.speedup


def _first(points: tuple[PointCard | None, ...], speedup: float) -> int:
    """Place of the slowest point that is so fast; of the fastest if none is."""
    return next((at for at, point in enumerate(points) if _speed(point) >= speedup), len(points) - 1)


def _last(points: tuple[PointCard | None, ...], quality: float, unknown: bool = False) -> int:
    """Place of the fastest point of which it and all that are slower are so good; uncached is as good as can be."""

    def good(point: PointCard | None) -> bool:
        return point is None or (unknown if point.quality is None else point.quality >= quality)

    return next((at for at, point in enumerate(points) if not good(point)), len(points)) - 1


def _read_speedup(speedup: object) -> float | None:
    if speedup is None:
        return None
    if isinstance(speedup, bool) or not isinstance(speedup, (int, float)) or not (0 < speedup < math.inf):
        raise FrontError(f"speedup {short(speedup)}", "a number above 0", "try speedup=2")
    return float(speedup)


def _read_quality(quality: object) -> float | str | None:
    """A name of `LOWEST`, a number of dB, or None."""
    if quality is None or quality == "auto":
        return None
    if isinstance(quality, str):
        name = OLDER.get(quality, quality)
        if name not in LOWEST:
            names = get_args(Name)
            meant = nearest(quality, names)
            mend = f"did you mean {meant!r}?" if meant else "try quality='high'"
            raise FrontError(f"quality {short(quality)}", f"one of {', '.join(names)}, or a number of dB", mend)
        return name
    if isinstance(quality, bool) or not isinstance(quality, (int, float)) or math.isnan(quality):
        raise FrontError(f"quality {short(quality)}", "a name, or a number of dB", "try quality='high' or quality=40")
    return float(quality)


def _unreachable(card: ModelCard, points: tuple[PointCard | None, ...], wishes: PointWishes) -> FrontError:
    asked = f"speedup {wishes.speedup:g}" + ("" if wishes.quality is None else f" at quality {wishes.quality}")
    fastest = max(map(_speed, points))
    return FrontError(
        f"{asked} of {card.name}", f"a speed-up of at most {fastest:.4g}", "ask for less speed-up, or for less quality"
    )
