"""Every family of pipelines has previews, which end with its picture, and no job is told of them."""

from __future__ import annotations

import pytest

from evocache.runtime.attach import call_scope, interception
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.preview.pictures import pictures_of
from tests.serve.calls import engine_threads, tensors
from tests.serve.engine.preview.previews import ask_at_every_turn, psnr, shown
from tests.tiny import FAMILIES, FAMILY_OF
from tests.tiny.arguments import arguments

ACROSS_TIME = ("cogvideox", "hunyuan_video", "ltx")
"""Families whose decoders look at later frames, too, which are no part of a preview."""


@pytest.mark.filterwarnings("ignore::evocache.errors.EvocacheWarning")  # of so few steps some schedules reuse nothing
@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_previews_end_with_the_picture_and_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny, pipe = FAMILIES[name], FAMILIES[name].build()
    expected = tensors(pipe(**arguments(tiny, pipe, seed=1, steps=4)))
    with Engine({"m": pipe}) as engine:
        wishes = ask_at_every_turn(engine, monkeypatch)
        output = engine.submit(seed=1, **arguments(tiny, pipe, seed=1, steps=4)).result(300)
    assert all(one.equal(other) for one, other in zip(expected, tensors(output), strict=True))
    previews, final = shown(wishes), pictures_of(output)
    assert len(previews) == (3 if name.endswith("img2img") else 4)
    assert all(len(preview) <= len(final) for preview in previews)
    qualities = [psnr(preview[0], final[0]) for preview in previews]
    assert qualities[-1] > qualities[0]
    assert qualities[-1] > (15 if name in ACROSS_TIME else 50)
    assert not engine_threads()
    assert not interception._attached
    assert not call_scope._entered
