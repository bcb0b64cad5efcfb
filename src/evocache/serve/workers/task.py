"""What a worker is asked for: one generation, in values that any process can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Picture:
    """A picture or a film as numbers, or a still one that is given to a pipeline.

    Attributes:
        pixels: rows of red, green and blue bytes, frame after frame.
        width: in pixels.
        height: in pixels.
        frames: 1 for a picture.
        channels: 3, or 1 for a mask.
    """

    pixels: bytes = field(repr=False)
    width: int
    height: int
    frames: int = 1
    channels: int = 3


@dataclass(frozen=True)
class Task:
    """One generation: a picture, or a film.

    Attributes:
        id: its own, of no other task.
        model: name of the model.
        arguments: of the pipeline's call, by its own names (`prompt`, `num_inference_steps`, `height`...).
        seed: of its generator.
        pictures: given ones, by the pipeline's own names (`image`, `mask_image`).
        point: index of a point of the model, or of its LoRA (`PointCard.index`); None computes everything.
        user: whose it is: users have even shares of a worker.
        deadline: seconds from now until it should have ended; None if it may take any.
        loras: LoRAs of the model that act, by name, with their weights.
        owner: whose what is held of encoders is, which no other owner's task is given: an account, or a user of one.
    """

    id: str
    model: str
    arguments: Mapping[str, Value]
    seed: int
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    point: int | None = None
    user: str = ""
    deadline: float | None = None
    loras: Mapping[str, float] = field(default_factory=dict)
    owner: str = ""
