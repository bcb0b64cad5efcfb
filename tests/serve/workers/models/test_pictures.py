"""Whatever a pipeline returns, its first picture or film as bytes; and pictures as pipelines take them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evocache.errors import GenerationError, InputError
from evocache.serve.workers.models.pictures import is_film, open_picture, take_picture
from evocache.serve.workers.task import Picture

STILL = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
FILM = np.random.default_rng(1).integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)


def pil(array: Any) -> Any:
    return Image.fromarray(array) if array.ndim == 3 else [Image.fromarray(frame) for frame in array]


def floats(array: Any) -> Any:
    return array.astype(np.float32) / 255


def tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(floats(array)).movedim(-1, -3)


OTHER = 255 - STILL


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"images": [pil(STILL), pil(OTHER)]}, STILL),
        ({"images": floats(np.stack([STILL, OTHER]))}, STILL),
        ({"images": tensor(np.stack([STILL, OTHER]))}, STILL),
        ({"images": np.stack([STILL, OTHER])}, STILL),
        (([pil(STILL)], [False]), STILL),
        ([pil(STILL)], STILL),
        ({"nsfw": None, "images": [pil(STILL).convert("RGBA")]}, STILL),
        ({"frames": [pil(FILM), pil(255 - FILM)]}, FILM),
        ({"frames": pil(FILM)}, FILM),
        ({"frames": floats(np.stack([FILM, 255 - FILM]))}, FILM),
        ({"frames": floats(FILM)}, FILM),
        ({"frames": tensor(FILM[None])}, FILM),
        ({"frames": [floats(FILM)]}, FILM),
        ({"frames": [[floats(frame) for frame in FILM]]}, FILM),
        ({"frames": [tensor(FILM)]}, FILM),
        (floats(FILM[None]), FILM),
    ],
)
def test_the_first_picture_or_film_is_taken_to_the_bit(output: Any, expected: Any) -> None:
    found = take_picture(OrderedDict(output) if isinstance(output, dict) else output)
    frames = expected if expected.ndim == 4 else expected[None]
    assert (found.frames, found.height, found.width, found.channels) == frames.shape
    assert found.pixels == frames.tobytes()
    assert is_film(output) == (expected.ndim == 4)


@pytest.mark.parametrize("output", [{"images": []}, {"latents": torch.zeros(4)}, ("text",), None, {"audios": [0.0]}])
def test_what_is_no_picture_is_said(output: Any) -> None:
    with pytest.raises(GenerationError, match="no pictures"):
        take_picture(output)


def test_given_pictures_and_films_are_opened() -> None:
    still = open_picture(Picture(STILL.tobytes(), 8, 6))
    assert np.array_equal(np.asarray(still), STILL)
    mask = open_picture(Picture(STILL[..., 0].tobytes(), 8, 6, channels=1))
    assert isinstance(mask, Image.Image)
    assert mask.mode == "L"
    film = open_picture(Picture(FILM.tobytes(), 8, 6, frames=5))
    assert isinstance(film, list)
    assert np.array_equal(np.stack([np.asarray(frame) for frame in film]), FILM)


@pytest.mark.parametrize("wrong", [{"width": 9}, {"channels": 4}, {"frames": 2}, {"frames": 0}, {"height": -6}])
def test_a_picture_that_is_not_whole_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="a byte for each number"):
        open_picture(Picture(STILL.tobytes(), **{"width": 8, "height": 6, **wrong}))
