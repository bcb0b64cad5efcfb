"""Films of video autoencoders: each group of frames is shown before the next is decoded, and none is kept."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.memory.footprint import Cut
from evocache.memory.trial import slicings
from evocache.runtime.projection import Projection
from tests.memory.parts import randomised
from tests.runtime.test_dry import given
from tests.runtime.test_filming import frames
from tests.tiny.autoencoders import AUTOENCODERS

FAMILIES = ["easyanimate", "hunyuan_video", "mochi", "allegro"]


@pytest.mark.parametrize("name", FAMILIES)
def test_frames_are_those_of_the_pipeline(family, tmp_path, name):
    one = family(name)
    with apply(one.pipe, "fora:2") as handle:
        whole = one.call()
        count = handle.film(tmp_path / "film", **given(one))
    shown = frames(tmp_path / "film")
    assert count == len(shown)
    assert np.abs(shown - np.round(whole.reshape(shown.shape) * 255)).max() <= 1


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
    projection = Projection(lambda frame: (told.append("show"), shown.append(frame)))
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
    Projection(shown.append).decode(module, (latents,), {}, Cut(rows, 3))
    assert np.abs(np.stack(shown).astype(int) - expected).max() <= 1
