"""Decoders that see all frames give them some after others, exactly, and never hold the decoded video."""

from __future__ import annotations

import weakref
from functools import cache

import pytest
import torch
from torch import nn

from evocache.memory.ledger import Ledger
from evocache.memory.planner.footprint import Cut
from evocache.memory.slicing.coupling_requests import Parted
from evocache.model.outputs import unpack
from evocache.video.decode.frame_groups import run_cut
from evocache.video.decode.frame_pipeline_trial import find_frame_pipeline
from evocache.video.decode.temporal_tile_trial import find_temporal_tiles
from tests.memory.parts import randomised
from tests.tiny.autoencoders import AUTOENCODERS
from tests.video.decode.test_frame_groups import TOLERANCE, off

pytestmark = pytest.mark.usefixtures("no_grad")

CAUSAL = {"AutoencoderKLCosmos", "AutoencoderKLHunyuanVideo15", "AutoencoderKLLTX2Video", "AutoencoderKLMochi"}
"""Frames need those before them only."""

AHEAD = {"AutoencoderKLLTXVideo"}
"""Convolutions look ahead as well."""

WAITING = {"AutoencoderKLHunyuanVideo", "AutoencoderKLTemporalDecoder"}
"""All frames wait for one another at group norms."""

APART = {"AutoencoderKL"}
"""Frames, or pictures, need nothing of one another."""


@cache
def made(name):
    """An autoencoder without a weight that is zero, arguments of its `decode`, and how that runs in a frame
    pipeline."""
    module, args, kwargs = AUTOENCODERS[name]()
    if name == "AutoencoderKLHunyuanVideo":
        module.use_framewise_decoding = False  # else it blends tiles of time
    if name == "AutoencoderKL":
        args = (torch.cat([args[0], *(args[0] + i for i in range(1, 4))]),)
    randomised(module)
    return module, args, kwargs, find_frame_pipeline(module, args, kwargs, "decode")


def pictures(value):
    return next(leaf for leaf in unpack(value)[0] if isinstance(leaf, torch.Tensor))


@pytest.mark.table(
    "name", family=lambda name: next(i for i, kind in enumerate((CAUSAL, AHEAD, WAITING, APART)) if name in kind)
)
@pytest.mark.parametrize("name", sorted(CAUSAL | AHEAD | WAITING | APART))
def test_frames_come_some_after_others_and_are_those_of_the_whole(name):
    module, args, kwargs, way = made(name)
    whole = module.decode(*args, **kwargs)
    assert way.pipeline.ahead == (name in AHEAD)
    assert way.pipeline.waits == (name in WAITING)
    for slices in (99, 2):
        taken = []
        left = run_cut(
            module, "decode", Cut(way, slices), args, kwargs, take=lambda part, t=taken: t.append(pictures(part))
        )
        assert len(taken) == min(slices, args[0].shape[way.axis] - way.pipeline.before)
        joined = torch.cat(taken, way.outputs[0])
        assert off(joined, whole) <= TOLERANCE
        assert pictures(left).is_meta
        assert pictures(left).shape == joined.shape
        assert torch.equal(pictures(run_cut(module, "decode", Cut(way, slices), args, kwargs)), joined)
    assert off(module.decode(*args, **kwargs), whole) == 0


def held(module, way, latents, slices):
    """Most bytes held, and bytes held and parts alive as each part is taken."""
    ledger, alive, seen = Ledger(on="cpu"), [], []

    def take(part):
        alive.append(weakref.ref(pictures(part)))
        seen.append((ledger.bytes, sum(kept() is not None for kept in alive)))

    with ledger, ledger.extent() as extent:
        run_cut(module, "decode", Cut(way, slices), (latents,), {}, take=take)
    return extent.surge, seen


@pytest.mark.table("name", family=lambda name: "causal")
@pytest.mark.parametrize("name", sorted(CAUSAL))
def test_frames_that_look_back_only_are_decoded_alone(name):
    """Three times the frames, and little more than their keys is held; a video would be more."""
    module, (latents,), _, way = made(name)
    peaks = []
    for frames in (5, 15):
        more = latents[:, :, :1].expand(-1, -1, frames, -1, -1).clone()
        peak, seen = held(module, way, more, 99)
        assert len(seen) == frames - 1
        assert {alive for _, alive in seen} == {1}
        peaks.append(peak)
    video = 10 * pictures(module.decode(latents[:, :, :2])).numel() * 4 // 2
    assert peaks[1] - peaks[0] < 0.7 * video


def test_frames_that_look_ahead_hold_as_many_as_there_are_convolutions():
    module, (latents,), _, way = made("AutoencoderKLLTXVideo")
    peaks = [held(module, way, latents[:, :, :1].expand(-1, -1, n, -1, -1).clone(), 99)[0] for n in (14, 28)]
    frame = pictures(module.decode(latents[:, :, :2])).numel() * 4 // 3
    assert peaks[1] - peaks[0] < 0.1 * 14 * 2 * frame


def test_frames_that_waited_are_let_go_one_after_the_other():
    module, (latents,), _, way = made("AutoencoderKLHunyuanVideo")
    _, seen = held(module, way, latents, 99)
    assert {alive for _, alive in seen} == {1}
    bytes_ = [n for n, _ in seen]
    assert bytes_ == sorted(bytes_, reverse=True)
    assert bytes_[-1] < 0.4 * bytes_[0]


def test_tiles_of_time_are_blended_as_they_come():
    module, args, kwargs = AUTOENCODERS["AutoencoderKLHunyuanVideo"]()
    randomised(module)
    assert find_frame_pipeline(module, args, kwargs, "decode") is None
    for frames in (6, 10):  # the last window of ten is too short for tiles, unless it has one more
        latents = torch.randn(1, 4, frames, 4, 3, generator=torch.Generator().manual_seed(0))
        way = find_temporal_tiles(module, (latents,), {}, "decode")
        whole, taken = module.decode(latents), []
        left = run_cut(module, "decode", Cut(way, 1), (latents,), {}, take=lambda part, t=taken: t.append(part.sample))
        assert len(taken) == -(-frames // 3)
        assert torch.equal(torch.cat(taken, 2), whole.sample)
        assert left.sample.shape == whole.sample.shape
        assert torch.equal(run_cut(module, "decode", Cut(way, 1), (latents,), {}).sample, whole.sample)
    peaks = []
    for frames in (11, 23):
        peak, seen = held(module, way, latents[:, :, :1].expand(-1, -1, frames, -1, -1).clone(), 1)
        assert {alive for _, alive in seen} == {1}
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 0.02 * 12 * 4 * 3 * 32 * 24 * 4


def test_pictures_that_are_decoded_one_by_one_anyhow_are_handed_on():
    module, (latents,), _, _ = made("AutoencoderKL")
    module.use_slicing = True
    more = latents.repeat(3, 1, 1, 1)
    way = find_frame_pipeline(module, (more,), {}, "decode")
    whole = module.decode(more)
    module.use_slicing = False
    assert not any(way.pipeline.points)
    assert off(run_cut(module, "decode", Cut(way, 5), (more,), {}), whole) <= TOLERANCE


class Attending(nn.Module):
    """Convolutions and attention over the frames of each position."""

    def __init__(self, causal):
        super().__init__()
        self.causal = causal
        self.decoder = nn.Conv1d(4, 4, 3)

    def decode(self, z):
        frames = z.permute(0, 3, 4, 1, 2).flatten(0, 2)
        frames = self.decoder(nn.functional.pad(frames, (2, 0), mode="replicate")).transpose(1, 2)
        heads = frames[:, None]
        heads = nn.functional.scaled_dot_product_attention(heads, heads, heads, is_causal=self.causal)
        return heads[:, 0].unflatten(0, (-1, *z.shape[3:])).permute(0, 4, 3, 1, 2)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_waits_unless_it_has_an_order(causal):
    module, z = randomised(Attending(causal)), torch.randn(1, 4, 6, 3, 2, generator=torch.Generator().manual_seed(0))
    way = find_frame_pipeline(module, (z,), {}, "decode")
    assert [point.name for point in way.pipeline.points] == ["conv1d", "scaled_dot_product_attention"]
    assert way.pipeline.waits != causal
    assert off(run_cut(module, "decode", Cut(way, 6), (z,), {}), module.decode(z)) <= TOLERANCE


class Summing(nn.Module):
    """Every frame needs the mean of all, by an operation at which slices do not meet."""

    def __init__(self):
        super().__init__()
        self.decoder = nn.Conv3d(4, 4, 3, padding=1)

    def decode(self, z):
        return self.decoder(z - z.mean(2, keepdim=True))


class Long(nn.Module):
    """Takes another path for many frames than for few."""

    def __init__(self):
        super().__init__()
        self.decoder = nn.Conv3d(4, 4, 3, padding=1)

    def decode(self, z):
        return self.decoder(self.decoder(z) if z.shape[2] > 12 else z)


def test_what_cannot_be_relayed_is_refused():
    assert find_frame_pipeline(Summing(), (torch.randn(1, 4, 5, 7, 7),), {}, "decode") is None
    assert find_frame_pipeline(Long(), (torch.randn(1, 4, 9, 7, 7),), {}, "decode") is not None
    assert find_frame_pipeline(Long(), (torch.randn(1, 4, 13, 7, 7),), {}, "decode") is None


def test_slices_that_part_are_noticed():
    module = Long()
    way = find_frame_pipeline(module, (torch.randn(1, 4, 9, 7, 7),), {}, "decode")
    with pytest.raises(Parted):
        run_cut(module, "decode", Cut(way, 1), (torch.randn(1, 4, 13, 7, 7),), {})


def test_a_call_of_another_form_runs_whole():
    module, _, kwargs, way = made("AutoencoderKLMochi")
    other = torch.randn(1, 12, 3, 4, 4)
    assert off(run_cut(module, "decode", Cut(way, 3), (other,), kwargs), module.decode(other)) == 0
