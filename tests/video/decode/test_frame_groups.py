"""Every autoencoder of diffusers decodes in slices and groups exactly, or stands in the list of those that do not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from diffusers.models import autoencoders
from torch import nn

from evocache.memory.ledger import Ledger
from evocache.memory.planner.footprint import Cut
from evocache.memory.slicing.exact_slicings import slicings
from evocache.model.outputs import unpack
from evocache.video.decode.frame_group_trial import find_frame_groups
from evocache.video.decode.frame_groups import run_cut
from tests.memory.parts import randomised
from tests.tiny.autoencoders import AUTOENCODERS

pytestmark = pytest.mark.usefixtures("no_grad")

TOLERANCE = 1e-5
"""Largest difference from the whole decode, as a share of its largest value, in float32."""

SOUND = {
    "AutoencoderKLKVAEAudio",
    "AutoencoderKLLTX2Audio",
    "AutoencoderKLMiniMaxH3Audio",
    "AutoencoderOobleck",
    "AutoencoderSAME",
    "Cosmos3AVAEAudioTokenizer",
    "LongCatAudioDiTVae",
    "MMAudioVAE",
}
"""Autoencoders of sound: a film has none."""

WHOLE = {
    "AutoencoderKLAllegro": "decodes by tiles that it blends, and by nothing else",
    "AutoencoderKLMiniMaxH3": "a transformer over positions and registers, whose clips are blended",
    "AutoencoderRAE": "a transformer over a fixed number of positions",
    "ConsistencyDecoderVAE": "draws noise for the picture as a whole",
    "LTX2VideoDiffusionDecoderModel": "draws noise for the video as a whole",
    "RFD4ProteinaAutoencoder": "decodes proteins",
}
"""What is decoded whole, and why."""

GROUPS = {
    "AutoencoderKLCogVideoX",
    "AutoencoderKLKVAEVideo",
    "AutoencoderKLMagvit",
    "AutoencoderKLWan",
    "Kandinsky6SRVAE",
}
"""What works group of frames by group."""

KIND = pytest.mark.table("name", family=lambda name: name in GROUPS)

SLICED = sorted(AUTOENCODERS.keys() - WHOLE.keys())


@cache
def made(name):
    """An autoencoder without a weight that is zero, the arguments of its `decode`, and what that gives."""
    module, args, kwargs = AUTOENCODERS[name]()
    randomised(module)
    return module, args, kwargs, module.decode(*args, **kwargs)


@cache
def rows_and_columns(name):
    """How its `decode` is cut, by axis."""
    module, args, kwargs, _ = made(name)
    return {slicing.axis: slicing for slicing in slicings(module, args, kwargs, "decode")}


@cache
def in_groups(name):
    """How its `decode` works in groups."""
    module, args, kwargs, _ = made(name)
    return find_frame_groups(module, args, kwargs, "decode")


def off(found, whole):
    """The largest difference, as a share of the largest value."""
    found, whole = (next(x for x in unpack(value)[0] if isinstance(x, torch.Tensor)) for value in (found, whole))
    assert found.shape == whole.shape
    assert torch.isfinite(whole).all()
    return float((found - whole).abs().max() / whole.abs().max())


def test_no_autoencoder_is_forgotten():
    exported = vars(autoencoders).items()
    decoding = {
        name for name, thing in exported if isinstance(thing, type) and callable(getattr(thing, "decode", None))
    }
    assert decoding == AUTOENCODERS.keys() | WHOLE.keys() | SOUND


@KIND
@pytest.mark.parametrize("name", SLICED)
def test_rows_and_columns_are_decoded_in_slices(name):
    module, args, kwargs, whole = made(name)
    ways = rows_and_columns(name)
    last = args[0].ndim - 1
    assert {last - 1, last} <= ways.keys()
    for axis, slices in ((last - 1, 3), (last, 2)):
        found = run_cut(module, "decode", Cut(ways[axis], slices), args, kwargs)
        assert off(found, whole) <= TOLERANCE
    assert off(module.decode(*args, **kwargs), whole) == 0


@KIND
@pytest.mark.parametrize("name", sorted(WHOLE.keys() & AUTOENCODERS.keys() - {"LTX2VideoDiffusionDecoderModel"}))
def test_what_is_decoded_whole_is_not_cut(name):
    module, args, kwargs = AUTOENCODERS[name]()
    assert not slicings(module, args, kwargs, "decode")
    assert find_frame_groups(module, args, kwargs, "decode") is None


@KIND
@pytest.mark.parametrize("name", sorted(AUTOENCODERS.keys() - WHOLE.keys() - GROUPS))
def test_others_do_not_work_in_groups(name):
    assert in_groups(name) is None


@KIND
@pytest.mark.parametrize("name", sorted(GROUPS))
def test_groups_are_handed_on_as_they_come(name):
    module, args, kwargs, whole = made(name)
    way = in_groups(name)
    assert off(run_cut(module, "decode", Cut(way, 1), args, kwargs), whole) == 0
    taken = []
    left = run_cut(module, "decode", Cut(way, 1), args, kwargs, take=lambda group: taken.append(group.sample))
    assert len(taken) > 1
    assert off(torch.cat(taken, 2), whole) == 0
    assert left.sample.is_meta
    assert left.sample.shape == whole.sample.shape
    assert off(module.decode(*args, **kwargs), whole) == 0


@KIND
@pytest.mark.parametrize("name", ["AutoencoderKLCogVideoX", "AutoencoderKLWan", "AutoencoderKLMagvit"])
def test_groups_come_in_slices(name):
    module, args, kwargs, whole = made(name)
    way = Cut(replace(rows_and_columns(name)[3], groups=in_groups(name).groups), 3)
    taken = []
    run_cut(module, "decode", way, args, kwargs, take=lambda group: taken.append(group.sample))
    assert off(torch.cat(taken, 2), whole) <= TOLERANCE
    assert off(run_cut(module, "decode", way, args, kwargs), whole) <= TOLERANCE


def test_a_taken_video_is_never_held():
    """Ten times the frames, and no byte more but for their latents, and a pixel of each."""
    module, (latents,), _, _ = made("AutoencoderKLWan")
    way, held = Cut(in_groups("AutoencoderKLWan"), 1), []
    for frames in (3, 30):
        more = latents[:, :, :1].expand(-1, -1, frames, -1, -1).clone()
        with Ledger() as ledger, ledger.extent() as extent:
            seen = [0]
            run_cut(module, "decode", way, (more,), {}, take=lambda group, s=seen, e=extent: s.append(e.peak))
        held.append(seen[-1])
    more, video = 27 * latents[:, :, :1].numel() * 4, 27 * 4 * 3 * 64 * 56 * 4
    assert held[1] - held[0] <= 3 * more < 0.1 * video


def test_what_a_decoder_keeps_is_let_go_as_it_is_taken():
    module, args, _, _ = made("AutoencoderKLCogVideoX")
    way, peaks = in_groups("AutoencoderKLCogVideoX"), []
    for call in (module.decode, lambda *a: run_cut(module, "decode", Cut(way, 1), a, {})):
        with Ledger() as ledger, ledger.extent() as extent:
            call(*args)
        peaks.append(extent.surge)
    assert peaks[1] < 0.92 * peaks[0]


class Tiled(nn.Module):
    """Cuts what is large into tiles, as diffusers' autoencoders do when they are told to."""

    use_tiling = True

    def __init__(self):
        super().__init__()
        self.decoder = nn.Conv3d(4, 4, 3, padding=1)

    def decode(self, z):
        tiles = z.split(4, 3) if z.shape[3] > 8 else [z]
        return torch.cat([torch.cat([self.decoder(f) for f in tile.split(1, 2)], 2) for tile in tiles], 3)


def test_tiles_are_left_as_they_are():
    module, small, large = Tiled(), torch.randn(1, 4, 5, 7, 7), torch.randn(1, 4, 5, 32, 7)
    assert find_frame_groups(module, (small,), {}, "decode") is not None
    assert slicings(module, (small,), {}, "decode")
    assert find_frame_groups(module, (large,), {}, "decode") is None
    assert not slicings(module, (large,), {}, "decode")


def test_a_method_that_was_replaced_is_left_alone():
    module, args, kwargs = AUTOENCODERS["AutoencoderKLWan"]()
    module.decode = module.decode
    assert not slicings(module, args, kwargs, "decode")
    assert find_frame_groups(module, args, kwargs, "decode") is None
