"""Films of video autoencoders: each group of frames is shown before the next is decoded, and none is kept."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from diffusers.video_processor import VideoProcessor

from evocache import apply
from evocache.memory.planner.footprint import Cut
from evocache.memory.slicing.coupling_requests import Uncoupled
from evocache.memory.slicing.exact_slicings import slicings
from evocache.runtime.survey import film_output as module_of_projection
from evocache.runtime.survey.film_output import FilmOutput
from evocache.runtime.survey.film_survey import film_cut
from tests.memory.parts import randomised
from tests.runtime.estimate.test_dry_run import given
from tests.runtime.survey.test_film_survey import frames
from tests.tiny import FAMILY_OF
from tests.tiny.autoencoders import AUTOENCODERS

FAMILIES = ["easyanimate", "hunyuan_video", "mochi", "allegro"]


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_frames_are_those_of_the_pipeline(family, tmp_path, name):
    one = family(name)
    with apply(one.pipe, "fora:2") as handle:
        whole = one.call()
        count = handle.film(tmp_path / "film", **given(one))
    shown = frames(tmp_path / "film")
    assert count == len(shown)
    assert np.abs(shown - np.round(whole.reshape(shown.shape) * 255)).max() <= 1


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("HunyuanVideo", torch.float32),
        ("LTXVideo", torch.float32),
        ("Mochi", torch.float32),
        ("Cosmos", torch.float32),
        ("LTXVideo", torch.bfloat16),
        ("Wan", torch.bfloat16),
    ],
)
def test_frames_of_decoders_that_see_all_are_shown_as_they_come(name, dtype):
    """They are those that the pipeline's own video processor makes; the decoder is never given all of them."""
    module, (latents,), kwargs = AUTOENCODERS[f"AutoencoderKL{name}"]()
    randomised(module).to(dtype)
    latents = latents[..., :4, :3].to(dtype)
    with torch.no_grad():
        whole = module.decode(latents).sample
        expected = np.stack(VideoProcessor().postprocess_video(whole, output_type="pil")[0])
        shown: list[np.ndarray] = []
        most: list[int] = []
        hook = module.decoder.register_forward_hook(lambda *_: most.append(len(shown)))
        left = FilmOutput(shown.append).decode(module, (latents,), kwargs, None)
        hook.remove()
    assert left.sample.is_meta
    assert left.sample.shape == whole.shape
    off = np.abs(np.stack(shown).astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).mean() < 1e-3
    assert most[-1] >= len(expected) // 2  # most was shown before the decoder was through


@pytest.mark.parametrize("shown_before", [0, 3])
def test_what_turns_out_impossible_is_decoded_whole_and_no_frame_is_shown_twice(monkeypatch, shown_before):
    """A trial has few frames: what it finds exact may fail on the call itself, also after some were shown."""
    module, (latents,), kwargs = AUTOENCODERS["AutoencoderKLMochi"]()
    randomised(module)
    latents = latents[..., :4, :3]
    shown: list[np.ndarray] = []
    projection = FilmOutput(shown.append)
    with torch.no_grad():
        whole = module.decode(latents).sample
        expected = np.stack(VideoProcessor().postprocess_video(whole, output_type="pil")[0])
        assert film_cut(module, (latents,), kwargs, None) is not None

        def failing(*given, take, **more):
            if shown_before:
                take(whole[:, :, :shown_before])
            raise Uncoupled("a slice too thin")

        monkeypatch.setattr(module_of_projection, "run_cut", failing)
        projection.decode(module, (latents,), kwargs, None)
    assert len(shown) == projection.frames == len(expected)
    assert np.abs(np.stack(shown).astype(int) - expected).max() <= 1


def test_frames_are_shown_as_they_come_where_that_holds_no_more_than_was_planned():
    module, (latents,), kwargs = AUTOENCODERS["AutoencoderKLMochi"]()
    randomised(module)
    latents = latents[..., :4, :3]
    rows = next(way for way in slicings(module, (latents,), {}, "decode") if way.axis == 3)
    with torch.no_grad():
        whole = (module.decode(latents).sample[0] / 2 + 0.5).clamp(0, 1).permute(1, 2, 3, 0) * 255
        shown: list[np.ndarray] = []
        calls: list[int] = []
        hook = module.decoder.register_forward_hook(lambda *_: calls.append(len(shown)))
        FilmOutput(shown.append).decode(module, (latents,), kwargs, Cut(rows, 2))
        hook.remove()
    assert np.abs(np.stack(shown) - whole.round().numpy()).max() <= 1
    assert calls[-4:] == [0, 7, 13, 19]  # a trial goes before


@pytest.fixture
def wan():
    """An autoencoder that works in groups, its latents, and frames as they would be shown if decoded whole."""
    module, (latents,), _ = AUTOENCODERS["AutoencoderKLWan"]()
    randomised(module)
    with torch.no_grad():
        pictures = (module.decode(latents).sample[0] / 2 + 0.5).clamp(0, 1)
        yield module, latents, (pictures.permute(1, 2, 3, 0) * 255).round().numpy().astype(np.uint8)


def test_a_group_is_shown_before_the_next_is_decoded(wan):
    module, latents, expected = wan
    told: list[str] = []
    alive: list[weakref.ref] = []

    def before(part, args):
        told.append("decode")
        assert sum(kept() is not None for kept in alive) <= 1  # the group before is on its way out

    shown: list[np.ndarray] = []
    projection = FilmOutput(lambda frame: (told.append("show"), shown.append(frame)))
    projection.decode(module, (latents,), {}, None)  # now it is known that there are groups
    told.clear()
    shown.clear()
    hooks = [
        module.decoder.register_forward_pre_hook(before),
        module.decoder.register_forward_hook(lambda part, args, group: alive.append(weakref.ref(group))),
    ]
    left = projection.decode(module, (latents,), {}, None)
    for hook in hooks:
        hook.remove()
    assert told == ["decode", "show", *["decode", *["show"] * 4] * 4]
    assert projection.frames == 2 * len(expected)
    assert np.array_equal(np.stack(shown), expected)
    assert left.sample.is_meta


def test_groups_are_shown_in_slices_where_that_is_planned(wan):
    module, latents, expected = wan
    rows = next(way for way in slicings(module, (latents,), {}, "decode") if way.axis == 3)
    shown: list[np.ndarray] = []
    FilmOutput(shown.append).decode(module, (latents,), {}, Cut(rows, 3))
    assert np.abs(np.stack(shown).astype(int) - expected).max() <= 1
