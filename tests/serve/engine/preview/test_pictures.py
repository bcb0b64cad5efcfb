"""What pipelines return, in whichever form, as small pictures; and few latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evocache.errors import GenerationError
from evocache.serve.engine.preview import previewer
from evocache.serve.engine.preview.pictures import pictures_of
from evocache.serve.engine.preview.small_decode import small_latents
from evocache.serve.engine.preview.trace import Trace

PICTURE = Image.new("RGB", (40, 30), (255, 0, 0))


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ({"images": [PICTURE, PICTURE], "nsfw_content_detected": [False, False]}, 2),
        (([PICTURE],), 1),
        ({"frames": [[PICTURE] * 20, [PICTURE] * 20]}, 8),
        ({"images": np.ones((3, 30, 40, 3), dtype=np.float32)}, 3),
        ({"frames": np.ones((2, 5, 30, 40, 3), dtype=np.float32)}, 5),
        ({"frames": torch.ones(1, 30, 3, 30, 40)}, 8),
        ({"images": torch.ones(2, 3, 30, 40, dtype=torch.bfloat16)}, 2),
        ({"frames": [np.ones((4, 30, 40, 3))]}, 4),
        (np.ones((30, 40, 1)), 1),
    ],
)
def test_forms(output: Any, count: int) -> None:
    found = pictures_of(output)
    assert [picture.size for picture in found] == [(40, 30)] * count
    red = 255
    assert all(np.asarray(picture).reshape(30, 40, -1)[..., 0].min() == red for picture in found)


def test_large_pictures_are_made_small_and_the_pipeline_s_own_are_not() -> None:
    large = Image.new("RGB", (1024, 512))
    assert [picture.size for picture in pictures_of({"images": [large]})] == [(256, 128)]
    assert large.size == (1024, 512)


@pytest.mark.parametrize("output", [{"audios": np.ones((1, 8000))}, ([],), {"images": None}])
def test_what_is_no_picture(output: Any) -> None:
    with pytest.raises(GenerationError, match="no pictures"):
        pictures_of(output)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1, 4, 32, 32), (1, 4, 32, 32)),
        ((1, 4, 128, 96), (1, 4, 32, 24)),
        ((1, 16, 90, 160), (1, 16, 18, 32)),
        ((16, 4, 64, 64), (16, 4, 16, 16)),
        ((1, 16, 21, 60, 104), (1, 16, 2, 15, 26)),
        ((1, 16, 2, 8, 8), (1, 16, 2, 8, 8)),
        ((1, 512), (1, 512)),
    ],
)
def test_few_latents(given: tuple[int, ...], expected: tuple[int, ...]) -> None:
    latents = torch.randn(given, generator=torch.Generator().manual_seed(0))
    small = small_latents(latents)
    assert small.shape == expected
    assert (small is latents) == (given == expected)


def test_they_are_means_of_neighbours() -> None:
    latents = torch.randn(1, 4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    small = small_latents(latents)
    assert small.shape == (1, 4, 2, 32, 32)
    assert torch.allclose(small[0, 1, 1, 3, 5], latents[0, 1, 1, 6:8, 10:12].mean(), atol=1e-6)
    codes = torch.randint(0, 9, (1, 4, 64, 64))
    assert small_latents(codes) is codes


@pytest.mark.parametrize("sliced", [False, True])
def test_all_is_decoded_only_where_the_job_does_so_as_a_whole(sliced: bool) -> None:
    """A job that decodes in slices, since memory is short, has no preview that decodes as a whole."""
    trace = Trace()

    class FakeTail:
        shrunk = True

        def run(self, arguments: Any, *, guarded: bool) -> Any:
            if not trace.whole:
                raise ValueError("too few latents")
            return [Image.new("RGB", (8, 8))]

    begin: Any = FakeTail
    if sliced:
        with pytest.raises(ValueError, match="too few"):
            previewer._apart(begin, trace, {}, False, True)
    else:
        assert len(previewer._apart(begin, trace, {}, False, False)) == 1
    assert trace.whole != sliced
