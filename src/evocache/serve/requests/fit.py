"""Whether a model takes what is asked for; before anything is queued."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...errors import InputError, short
from ...loading.loras import order_loras
from ..bounds import check_bounds
from ..workers.card import ModelCard
from .request import GenerationRequest

SMALLEST, LONGEST_SIDE = 8, 8192
"""Fewest and most pixels of a side."""


@dataclass(frozen=True)
class Limits:
    """What a server takes at most in one request.

    Attributes:
        pixels: of a picture that is made, or of all frames of a film.
        steps: of denoising.
        count: of pictures.
        prompt: characters of a prompt.

    Raises:
        ServeError: if one of them is less than 1.
    """

    pixels: int = 4096 * 4096
    steps: int = 200
    count: int = 10
    prompt: int = 32_000

    def __post_init__(self) -> None:
        check_bounds(self, "pixels", "steps", "count", "prompt", least=1)


class UnfitError(Exception):
    """A request that a model, or this server, does not take.

    Args:
        param: name of the field.
        text: why, and what would be taken.
    """

    def __init__(self, param: str, text: str) -> None:
        self.param, self.text = param, text
        super().__init__(text)


def find_card(cards: Mapping[str, ModelCard], name: str | None, kind: str) -> ModelCard:
    """Return the model that is named, or the first of a kind.

    Raises:
        KeyError: if there is none of that name.
        UnfitError: if it makes something else.
    """
    if name is None:
        of_kind = [card for card in cards.values() if card.kind == kind]
        if not of_kind:
            raise UnfitError("model", f"this server has no model that makes a {kind}: {', '.join(cards)}")
        return of_kind[0]
    card = cards[name]
    if card.kind != kind:
        raise UnfitError("model", f"{name!r} makes a {card.kind}, not a {kind}")
    return card


def check(request: GenerationRequest, card: ModelCard, limits: Limits, names: Mapping[str, str]) -> GenerationRequest:
    """Check a request against a model, and return it in its normal form.

    What the model's calls have by themselves is left out; LoRAs have their weights, in the order of their names.

    Args:
        request: what is asked for.
        card: the model.
        limits: of this server.
        names: of fields by the names of arguments, where they differ (`height` and `width` are `size`).

    Raises:
        UnfitError: if the model takes no such argument, or has no such LoRA, or a limit is passed.
    """
    for argument in (*request.arguments, *request.pictures):
        if argument not in card.arguments:
            field = names.get(argument, argument)
            near = difflib.get_close_matches(argument, card.arguments, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; it takes {', '.join(sorted(card.arguments))}"
            raise UnfitError(field, f"{card.name} takes no {field}{hint}")
    values = {**card.defaults, **request.arguments}
    prompt = values.get("prompt")
    if isinstance(prompt, str) and len(prompt) > limits.prompt:
        raise UnfitError("prompt", f"a prompt of {len(prompt)} characters; at most {limits.prompt} are taken")
    steps = values.get("num_inference_steps")
    if isinstance(steps, int) and not 1 <= steps <= limits.steps:
        raise UnfitError("num_inference_steps", f"{steps} steps; from 1 to {limits.steps} are taken")
    if not 1 <= request.count <= limits.count:
        raise UnfitError("n", f"{request.count} at once; from 1 to {limits.count} are made")
    for side in (values.get("width"), values.get("height")):
        if isinstance(side, int) and not SMALLEST <= side <= LONGEST_SIDE:
            said = f"a side of {side} pixels; from {SMALLEST} to {LONGEST_SIDE}"
            raise UnfitError(names.get("width", "width"), said)
    frames = values.get("num_frames")
    if isinstance(frames, int) and frames < 1:
        raise UnfitError(names.get("num_frames", "num_frames"), f"{frames} frames; at least 1")
    pixels = count_pixels(values)
    if pixels > limits.pixels:
        raise UnfitError(names.get("width", "width"), f"{pixels} pixels; at most {limits.pixels} are made")
    own = {name: value for name, value in request.arguments.items() if card.defaults.get(name, ...) != value}
    return replace(request, arguments=own, loras=_weigh(request.loras, card))


def count_pixels(arguments: Mapping[str, object]) -> int:
    """Return the pixels of a picture, or of all frames of a film, that a call of these arguments makes.

    >>> count_pixels({"width": 64, "height": 32, "num_frames": 4})
    8192
    """
    sides = (arguments.get(name) for name in ("width", "height", "num_frames"))
    return math.prod(side for side in sides if isinstance(side, int))


def _weigh(loras: Mapping[str, float | None], card: ModelCard) -> Mapping[str, float]:
    """LoRAs with their weights; where a request says none, the usual one."""
    usual = {lora.name: lora.weight for lora in card.loras}
    for name in loras:
        if name not in usual:
            near = difflib.get_close_matches(name, usual, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(usual) or 'none'}"
            raise UnfitError("loras", f"{card.name} has no LoRA {short(name)}; {hint}")
    try:
        return dict(order_loras({name: usual[name] if weight is None else weight for name, weight in loras.items()}))
    except InputError as error:
        raise UnfitError("loras", str(error)) from None
