"""A model that is loaded: its pipelines, and the call that a task asks for."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch

from ....errors import InputError, short
from ....loading.example_call import IMAGE, MASK
from ....loading.pipelines import load_pipeline
from ....loading.siblings import find_siblings
from ....runtime.estimate.residency import weights
from ....runtime.program.step_arguments import STEPS
from ....schedule.front import Front, Point
from ....search.evaluate.fingerprint import describe_pipeline
from ..card import ModelCard
from ..task import Task, Value
from ..worker import LoraSource
from .adapted import Adapted, adapt, describe_loras
from .arguments import PICTURES, find_defaults, find_frame_rate, list_arguments
from .identity import fingerprint
from .pictures import open_picture
from .points import describe_points, find_context, find_front, list_points

SIZES = ("width", "height")


class Call(NamedTuple):
    """A call of one of a model's pipelines.

    Attributes:
        pipeline: its name in the engine.
        what: what is applied.
        arguments: of the call.
        loras: that act.
    """

    pipeline: str
    what: Point | None
    arguments: dict[str, Any]
    loras: Mapping[str, float]


@dataclass(frozen=True)
class Loaded:
    """A model.

    Attributes:
        card: what is said of it.
        pipelines: by their names in the engine; the model's own first.
        points: of its front and those of its LoRAs, as their cards number them.
    """

    card: ModelCard
    pipelines: Mapping[str, Any]
    points: tuple[Point, ...]

    def make_call(self, task: Task) -> Call:
        """Return the call that a task asks for.

        Given a picture, a model whose own call takes none is called through a pipeline on its parts that does.

        Raises:
            InputError: if it asks for an argument, a point or a seed that there is not, or a picture is not whole.
        """
        card = self.card
        unknown = sorted({*task.arguments, *task.pictures} - card.arguments)
        if unknown:
            expected = f"some of {', '.join(sorted(card.arguments))}"
            raise InputError(f"{', '.join(unknown)} for model {card.name!r}", expected, "leave it out")
        known = [lora.name for lora in card.loras]
        for lora in sorted(task.loras.keys() - {*known}):
            given_, expected = (
                f"LoRA {lora!r} for model {card.name!r}",
                f"one of {', '.join(known)}" if known else "none",
            )
            raise InputError(given_, expected, "leave it out")
        if task.point is not None and not 0 <= task.point < len(self.points):
            asked = f"point {task.point} of model {card.name!r}"
            raise InputError(asked, f"one of {len(self.points)} points", "name one that its front has")
        misplaced = sorted((PICTURES & task.arguments.keys()) | (task.pictures.keys() - PICTURES))
        if misplaced:
            raise InputError(f"{', '.join(misplaced)}", "pictures among pictures, all else among arguments", "move it")
        name = self._choose(task)
        pipe, own = self.pipelines[name], next(iter(self.pipelines))
        point = None if task.point is None else self.points[task.point]
        given: dict[str, Any] = {key: value for key, value in task.arguments.items() if value is not None}
        pictures: dict[str, Any] = {key: open_picture(picture) for key, picture in task.pictures.items()}
        if name != own:
            given = self._fit(pipe, given, pictures, own_steps=point is not None)
        arguments: dict[str, Any] = {**given, **pictures}
        if "generator" in inspect.signature(type(pipe).__call__).parameters:
            arguments["generator"] = _generator(task.seed)
        return Call(name, point, arguments, task.loras)

    def _choose(self, task: Task) -> str:
        """The pipeline of a task, by the pictures that it has."""
        for given in (MASK, IMAGE):
            name = name_sibling(self.card.name, given)
            if given in task.pictures and name in self.pipelines:
                return name
        return next(iter(self.pipelines))

    def _fit(
        self, pipe: Any, given: dict[str, Value], pictures: dict[str, Any], *, own_steps: bool
    ) -> dict[str, Value]:
        """Arguments for a pipeline on the model's parts: its defaults are the model's, and a size is its pictures'."""
        takes = list_arguments(pipe)
        size = [given.pop(name, None) for name in SIZES] if not takes & {*SIZES} else []
        if all(isinstance(side, int) and side > 0 for side in size) and size:
            pictures.update({name: picture.resize(size) for name, picture in pictures.items()})
        strange = sorted({*given, *pictures} - takes)
        if strange:
            given_ = f"{', '.join(strange)} with {' and '.join(sorted(pictures))}"
            raise InputError(given_, f"some of {', '.join(sorted(takes))}", "leave it out")
        left = {*SIZES, STEPS} if own_steps else {*SIZES}
        usual = {key: value for key, value in self.card.defaults.items() if key in takes and key not in left}
        return {**usual, **given}


class Parts(NamedTuple):
    """What a model is made of, before it was called.

    Attributes:
        name: what requests call it.
        pipelines: by their names in the engine; the model's own first.
        front: of the model; None if it has none.
        described: the model without its LoRAs, for its fingerprint.
        loras: of the model, with the fronts that were evolved with them.
    """

    name: str
    pipelines: Mapping[str, Any]
    front: Front | None
    described: Mapping[str, Any]
    loras: Sequence[Adapted]


def load_parts(
    name: str,
    source: str,
    front: str | None,
    *,
    device: str,
    dtype: str,
    loras: Mapping[str, LoraSource] = MappingProxyType({}),
    lora_fronts: Mapping[str, str] = MappingProxyType({}),
) -> Parts:
    """Load a model's pipeline and front, and find the pipelines on its parts.

    Args:
        name: what requests call it.
        source: zoo name, folder or hub id.
        front: folder of a run, or file of a front; the one that ships with the model if it is None.
        device: where to put it.
        dtype: type of its numbers.
        loras: that requests may name.
        lora_fronts: what was evolved with one of these, by its name.

    Raises:
        Error: of evocache, if the model, a front or a LoRA cannot be loaded.
    """
    pipe = load_pipeline(source, device=device, dtype=dtype)
    siblings = {name_sibling(name, given): sibling for given, sibling in find_siblings(pipe).items()}
    found, described = find_front(pipe, front), describe_pipeline(pipe)
    return Parts(name, {name: pipe, **siblings}, found, described, adapt(pipe, loras, lora_fronts))


def describe_model(parts: Parts, works: Collection[str], *, film: bool, seconds: float) -> Loaded:
    """Return a model with its card.

    Args:
        parts: the model.
        works: names of its pipelines that can be called.
        film: whether it makes films.
        seconds: of a generation.
    """
    pipe, *siblings = (pipe for name, pipe in parts.pipelines.items() if name in works)
    arguments = list_arguments(pipe).union(*map(list_arguments, siblings))
    defaults = find_defaults(pipe)
    further = [find_defaults(sibling) for sibling in siblings]
    for key, value in further[0].items() if further else ():
        if all(other.get(key) == value for other in further):
            defaults.setdefault(key, value)
    front = parts.front
    points = tuple(list_points(pipe, front))
    loras, all_points = describe_loras(parts.loras, points, arguments)
    card = ModelCard(
        name=parts.name,
        kind="video" if film else "picture",
        arguments=arguments,
        defaults=defaults,
        points=() if front is None else describe_points(front, points),
        seconds=seconds,
        bytes=sum(weights(pipe).values()),
        fingerprint=fingerprint(parts.described, defaults),
        context=find_context(points, arguments),
        frames_per_second=find_frame_rate(defaults),
        loras=loras,
    )
    return Loaded(card, {name: pipe for name, pipe in parts.pipelines.items() if name in works}, all_points)


def name_sibling(name: str, given: str) -> str:
    """Return the name, in the engine, of a pipeline on the parts of a model that is given something besides."""
    return f"{name} with {given}"


def _generator(seed: int) -> torch.Generator:
    try:
        return torch.Generator("cpu").manual_seed(seed)
    except (RuntimeError, TypeError, ValueError, OverflowError):
        raise InputError(f"seed {short(seed)}", "a whole number of at most 64 bits", "choose a smaller one") from None
