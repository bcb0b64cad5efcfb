"""A film holds the frames that the pipeline would return, and the pipeline never holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evocache import apply
from evocache.memory.film import FilmError
from evocache.memory.ledger import Ledger
from tests.runtime.test_dry import given

VIDEOS = ["animatediff", "text_to_video_sd", "svd", "cogvideox", "wan", "ltx"]


def frames(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file)) for file in sorted(folder.iterdir())])


@pytest.mark.parametrize("name", VIDEOS)
def test_frames_are_those_of_the_pipeline(family, tmp_path, name):
    one = family(name)
    with apply(one.pipe, "fora:2") as handle:
        whole = one.call()
        count = handle.film(tmp_path / "film", **given(one))
        assert handle.stats.cached_bytes == 0
    shown = frames(tmp_path / "film")
    assert count == len(shown)
    expected = np.round(whole.reshape(shown.shape) * 255)
    assert np.abs(shown - expected).max() <= 1
    assert np.array_equal(one.call(), one.reference)


@pytest.mark.parametrize("name", ["animatediff", "text_to_video_sd"])
def test_frames_are_decoded_one_by_one(family, tmp_path, name):
    one = family(name)
    decoded: list[int] = []
    hook = one.pipe.vae.decoder.register_forward_pre_hook(lambda m, args: decoded.append(len(args[0])))
    with apply(one.pipe, "fora:2") as handle:
        count = handle.film(tmp_path / "film.gif", **given(one))
    hook.remove()
    assert sum(decoded[-count:]) >= count - 1
    assert max(decoded[-count + 1 :]) <= 2


def test_a_film_holds_less_than_a_video(family, tmp_path):
    one = family("animatediff")
    peaks = []
    with apply(one.pipe, "fora:2") as handle:
        for run in (lambda: one.call(), lambda: handle.film(tmp_path / "film", **given(one))):
            ledger = Ledger()
            start: list[int] = []
            hook = one.pipe.vae.decoder.register_forward_pre_hook(lambda *_, s=start, b=ledger: s.append(b.begin()))
            with ledger:
                run()
            hook.remove()
            peaks.append(max(extent.peak for extent in start))
    assert peaks[1] < 0.7 * peaks[0]


def test_what_cannot_be_written_leaves_no_trace(family, tmp_path):
    one = family("animatediff")
    with apply(one.pipe, "fora:2") as handle, pytest.raises(FilmError):
        handle.film(tmp_path / "film.avi", **given(one))
    assert not list(tmp_path.iterdir())
    assert np.array_equal(one.call(), one.reference)
