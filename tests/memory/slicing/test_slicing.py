"""Ways of slicing are found by trial: the exact ones, and only these; and calls in slices give what the whole gives."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXBlock
from diffusers.models.transformers.transformer_mochi import MochiTransformerBlock
from torch import nn

from evocache.memory.ledger import Ledger
from evocache.memory.slicing.couplings import Shared
from evocache.memory.slicing.exact_slicings import slicings
from evocache.memory.slicing.slicing import Slicing, run, sizes
from tests.memory.parts import PARTS, randomised

pytestmark = pytest.mark.usefixtures("no_grad")


def found(module, args, kwargs):
    return {(s.axis, s.coupled): s for s in slicings(module, args, kwargs)}


@pytest.mark.table("name", family=lambda name: "part")
@pytest.mark.parametrize("name", PARTS)
def test_every_way_that_is_found_is_exact(name):
    part = PARTS[name]
    module, args, kwargs = part.make()
    module = randomised(module)
    whole = module(*args, **kwargs)
    ways = found(module, args, kwargs)
    assert part.axis in {axis for axis, _ in ways}, ways
    for slicing in ways.values():
        for slices in (2, 3, 5):
            joined = run(module, slicing, slices, args, kwargs)
            for a, b in zip(_tensors(joined), _tensors(whole), strict=True):
                assert a.shape == b.shape
                assert float((a - b).abs().max()) <= 5e-6 * float(b.abs().max()) + 1e-9


def _tensors(output):
    return [output] if isinstance(output, torch.Tensor) else list(output)


def test_independent_positions_do_not_meet():
    feed = FeedForward(8)
    assert found(feed, (torch.randn(2, 7, 8),), {}).keys() == {(1, False)}
    module, args, kwargs = PARTS["resnet, rows"].make()
    assert (2, True) in found(module, args, kwargs)
    attention = Attention(8, heads=2, dim_head=4)
    assert (1, True) in found(attention, (torch.randn(2, 7, 8),), {})
    across = Attention(8, cross_attention_dim=6, heads=2, dim_head=4)
    assert (1, False) in found(across, (torch.randn(2, 7, 8), torch.randn(2, 3, 6)), {})


class Pooled(nn.Module):
    """Scales its input by its mean over the rows, which no slice knows."""

    def forward(self, x):
        return x * x.mean(2, keepdim=True)


class Ordered(nn.Module):
    """Attends backwards only."""

    def forward(self, x):
        return nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)


class Sorted(nn.Module):
    """Sorts its rows."""

    def forward(self, x):
        return x.sort(2).values


@pytest.mark.parametrize("module", [Pooled(), Sorted()])
def test_what_is_not_exact_is_not_found(module):
    axes = {axis for axis, _ in found(module, (torch.randn(3, 4, 6, 5),), {})}
    assert 2 not in axes
    assert 3 in axes


def test_attention_with_an_order_is_not_found_along_it():
    assert {axis for axis, _ in found(Ordered(), (torch.randn(5, 7, 8),), {})} == {0}


def test_rotary_positions_are_cut_along_with_their_tokens():
    block = CogVideoXBlock(16, 2, 8, 12)
    args = (torch.randn(1, 9, 16), torch.randn(1, 3, 16), torch.randn(1, 12))
    rotary = (torch.randn(9, 8), torch.randn(9, 8))
    for slicing in found(block, args, {"image_rotary_emb": rotary}).values():
        block = randomised(block)
        joined = run(block, slicing, 3, args, {"image_rotary_emb": rotary})
        for a, b in zip(joined, block(*args, image_rotary_emb=rotary), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("last", [False, True])
def test_a_stream_that_joins_another_is_cut_alone(last):
    """The last block returns no text; where no word is valid, its text is all zeros."""
    block = randomised(MochiTransformerBlock(16, 2, 8, 12, "rms_norm", context_pre_only=last))
    args = [torch.randn(2, 11, 16), torch.randn(2, 4, 12), torch.randn(2, 16)]
    args += [torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0]]).bool(), torch.randn(11, 2, 4), torch.randn(11, 2, 4)]
    args = (*args[:4], (args[4], args[5]))
    ways = [s for s in slicings(block, args, {}) if s.axis == 1]
    assert [(s.inputs[0], s.inputs[1], s.shared) for s in ways] == [(1, None, Shared.AFTER)]
    for slices in (2, 3, 5):
        for a, b in zip(run(block, ways[0], slices, args, {}), block(*args), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_trial_needs_no_weights():
    assert found(FeedForward(64).to("meta").half(), (torch.empty(2, 9, 64, device="meta"),), {}).keys() == {(1, False)}


def test_random_state_is_left_alone():
    feed = FeedForward(8)
    before = torch.random.get_rng_state()
    slicings(feed, (torch.ones(2, 7, 8),), {})
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_call_of_another_form_runs_whole():
    feed = randomised(FeedForward(8))
    (slicing,) = slicings(feed, (torch.randn(2, 7, 8),), {})
    for x in (torch.randn(2, 1, 8), torch.randn(3, 4, 5, 8)):
        assert torch.equal(run(feed, slicing, 3, (x,), {}), feed(x))


def test_finished_slices_are_let_go():
    alive = []

    def call(x):
        gc.collect()
        alive.append(sum(r() is not None for r in seen))
        out = x + 1
        seen.append(weakref.ref(out))
        return out

    seen: list[weakref.ref] = []
    run(call, Slicing(0, (0,), (), (0,), False), 4, (torch.zeros(9, 2),), {})
    assert alive == [0, 0, 0, 0]


@pytest.mark.parametrize("slices", [2, 3, 7])
def test_a_rehearsal_holds_what_a_run_does(slices):
    """From the second slice on, there is room for the whole beside a slice."""
    model = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.Linear(8, 48), torch.nn.Linear(48, 64))
    how, peaks = Slicing(0, (0,), (), (0,), False), []
    for rehearsed in (False, True):
        x = torch.zeros(21, 64)
        ledger = Ledger()
        ledger.ignore([x, *model.parameters()])
        with torch.no_grad(), ledger, ledger.extent() as seen:
            run(model, how, slices, (x,), {}, rehearsed=rehearsed)
        peaks.append(seen.peak)
    assert peaks[0] == peaks[1]


@pytest.mark.parametrize(("length", "slices"), [(9, 4), (8, 4), (8, 8), (2, 5), (1, 3), (64, 16), (3, 2), (7, 1)])
def test_sizes_are_nearly_but_not_all_equal(length, slices):
    found = sizes(length, slices)
    assert sum(found) == length
    assert min(found) > 0
    assert max(found) - min(found) <= 2
    assert len(found) == 1 or len(set(found)) > 1
    assert len(found) <= slices


def test_slices_that_do_not_meet_may_be_single_positions():
    assert sizes(16, 16, alike=True) == [1] * 16
    assert sizes(10, 4, alike=True) == [3, 3, 2, 2]
    assert len(set(sizes(16, 16))) == 2
    assert sum(sizes(16, 16)) == 16
