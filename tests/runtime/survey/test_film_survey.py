"""A film holds the frames that the pipeline would return, and the pipeline never holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evocache import apply, plan_memory
from evocache.errors import BudgetError
from evocache.memory.ledger import Ledger
from evocache.runtime.estimate.measure import measure
from evocache.video.writer import FilmError
from tests.runtime.estimate.test_dry_run import given
from tests.tiny import FAMILIES, FAMILY_OF
from tests.tiny.parts import image_vae

VIDEOS = ["animatediff", "text_to_video_sd", "svd", "cogvideox", "wan", "ltx"]


def frames(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file)) for file in sorted(folder.iterdir())])


@pytest.mark.table("name", family=FAMILY_OF.get)
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


@pytest.mark.table("name", family=lambda name: "video")
@pytest.mark.parametrize("name", ["animatediff", "cogvideox", "hunyuan_video"])
def test_a_film_is_planned_as_it_is_decoded(family, tmp_path, name):
    """What it holds is what was predicted, also within the least budget that can be met; a byte less is refused."""
    one = family(name)
    call = given(one)
    whole = plan_memory(one.pipe, call, "fora:2", offload=False).plan
    filmed = plan_memory(one.pipe, call, "fora:2", offload=False, film=True).plan
    most = 0.7 if name == "animatediff" else 1.01  # the others hold one group or tile in any case
    assert filmed.stages["decode"].bytes <= most * whole.stages["decode"].bytes
    with apply(one.pipe, "fora:2", memory=0) as handle, pytest.raises(BudgetError) as refused:
        handle.film(tmp_path / "none", **given(one))
    least = refused.value.shortfall
    with apply(one.pipe, "fora:2", memory=least - 1) as handle, pytest.raises(BudgetError):
        handle.film(tmp_path / "none", **given(one))
    for number, budget in enumerate((filmed.peak, least)):
        with apply(one.pipe, "fora:2", memory=budget) as handle:
            folder = tmp_path / str(number)
            handle.film(tmp_path / f"planned-{number}", **given(one))  # what planning rehearses would be counted, too
            held = measure(one.pipe, one.model, lambda to=folder, by=handle: by.film(to, **given(one)))
            stages = handle.memory.stages
        assert max(stage.bytes for stage in held.values()) <= 1.01 * budget
        assert 0.6 * stages["decode"].bytes <= held["decode"].bytes <= 1.01 * stages["decode"].bytes
    assert np.abs(frames(folder) - frames(tmp_path / "0").astype(float)).max() <= 1


def test_a_film_may_fit_where_the_video_does_not(family, tmp_path):
    """An autoencoder of eightfold sides, so that it is decoding that holds most, whatever is sliced."""
    pipe = FAMILIES["animatediff"].build()
    pipe.register_modules(vae=image_vae(levels=4))
    pipe.vae_scale_factor = 8
    call = {**given(family("animatediff")), "height": 128, "width": 128}
    with apply(pipe, "none", memory=0) as handle:
        with pytest.raises(BudgetError) as video:
            handle.plan(**call)
        with pytest.raises(BudgetError) as film:
            handle.film(tmp_path / "none", **call)
    least = film.value.shortfall
    assert least < 0.75 * video.value.shortfall
    with apply(pipe, "none", memory=least) as handle:
        with pytest.raises(BudgetError):
            pipe(**call)
        assert handle.film(tmp_path / "film", **call) == call["num_frames"]
        held = measure(pipe, handle.model, lambda: handle.film(tmp_path / "again", **call))
    assert max(stage.bytes for stage in held.values()) <= 1.01 * least


def test_what_cannot_be_written_leaves_no_trace(family, tmp_path):
    one = family("animatediff")
    with apply(one.pipe, "fora:2") as handle, pytest.raises(FilmError):
        handle.film(tmp_path / "film.avi", **given(one))
    assert not list(tmp_path.iterdir())
    assert np.array_equal(one.call(), one.reference)
