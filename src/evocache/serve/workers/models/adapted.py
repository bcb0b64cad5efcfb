"""LoRAs of a model: loaded by name, with the fronts that were evolved with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ....errors import MismatchError
from ....loading.lora_files import LoadedLora, load_loras
from ....loading.loras import order_loras
from ....schedule.front import Front, Point
from ..card import LoraCard
from ..worker import LoraSource
from .points import describe_points, find_context, find_front, list_points


class Adapted(NamedTuple):
    """A LoRA on a model.

    Attributes:
        name: what requests call it.
        weight: that it has where a request says none.
        loaded: what was loaded.
        front: that was evolved with it; None if there is none.
        points: of that front, which hold for it at its weight.
    """

    name: str
    weight: float
    loaded: LoadedLora
    front: Front | None
    points: Sequence[Point]


def adapt(pipe: Any, loras: Mapping[str, LoraSource], fronts: Mapping[str, str]) -> list[Adapted]:
    """Load LoRAs into a model's pipeline, and find the points that were evolved with them; none acts afterwards.

    Args:
        pipe: the pipeline.
        loras: by name.
        fronts: folders of runs, or files of fronts, by the names of LoRAs.

    Raises:
        InputError: if a LoRA has no name, or no weight, that there may be.
        ModelError: if one does not fit the model.
        MismatchError: if a front was evolved with another LoRA or weight, or without any.
        RunError: if a front is damaged, or of another version.
    """
    order_loras({name: source.weight for name, source in loras.items()})
    loaded = load_loras(pipe, {name: source.path for name, source in loras.items()})
    return [
        Adapted(name, source.weight, loaded[name], *_find_points(pipe, name, source.weight, fronts.get(name)))
        for name, source in loras.items()
    ]


def describe_loras(
    loras: Sequence[Adapted], points: Sequence[Point], settable: Collection[str]
) -> tuple[tuple[LoraCard, ...], tuple[Point, ...]]:
    """Return the cards of a model's LoRAs, and all points of the model, as cards number them.

    Args:
        loras: of the model.
        points: of the model's own front, which have the first numbers.
        settable: names of arguments that a request may set.
    """
    cards, found = [], [*points]
    for lora in loras:
        own = () if lora.front is None else describe_points(lora.front, lora.points, len(found))
        context = find_context(lora.points, settable)
        cards.append(LoraCard(lora.name, lora.weight, lora.loaded.bytes, lora.loaded.fingerprint, own, context))
        found += lora.points
    return tuple(cards), tuple(found)


def _find_points(pipe: Any, name: str, weight: float, path: str | None) -> tuple[Front | None, Sequence[Point]]:
    """The front of a LoRA, and its points that hold with it alone."""
    if path is None:
        return None, ()
    front = find_front(pipe, path)
    pipe.enable_lora()
    pipe.set_adapters([name], [weight])
    try:
        points = [point for point in list_points(pipe, front) if point.context is not None]
    finally:
        pipe.disable_lora()
    if not points:
        given = f"the front {path!r} for LoRA {name!r}"
        raise MismatchError(given, f"one that was evolved with {name!r} alone, at weight {weight:g}", "evolve one so")
    return front, points
