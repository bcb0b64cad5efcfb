"""What couples slices is done for all of them together, and is what it is on the whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from evocache.memory.slicing.couplings import Shared, Uncoupled
from evocache.memory.slicing.lockstep import lockstep


def sliced(call, x, sizes, axis):
    return torch.cat(list(lockstep([lambda p=p: call(p) for p in x.split(sizes, axis)])), axis)


def close(a, b):
    assert a.shape == b.shape
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
    sizes=st.sampled_from([(5, 4), (4, 5), (3, 6, 4), (7, 5, 6, 4)]),
    axis=st.integers(2, 3),
)
def test_a_convolution_reaches_into_the_neighbours(kernel, stride, padding, dilation, sizes, axis):
    torch.manual_seed(0)
    shape = [2, 3, 5, 5]
    shape[axis] = sum(sizes)
    x = torch.randn(shape)
    conv = (
        nn.Conv2d(3, 4, kernel, stride, padding, dilation) if min(shape[2:]) + 2 * padding > dilation * kernel else None
    )
    if conv is None:
        return
    try:
        found = sliced(conv, x, list(sizes), axis)
    except Uncoupled:  # a slice that no output's middle falls into
        assert stride > 1 or conv(x).shape[axis] < len(sizes) * 2 + 2 * dilation * kernel
        return
    close(found, conv(x))


def test_a_convolution_in_time_is_coupled_in_time_only():
    conv = nn.Conv3d(3, 3, (3, 1, 1), padding=(1, 0, 0))
    x = torch.randn(1, 3, 5, 4, 4)
    close(sliced(conv, x, [2, 3], 2), conv(x))
    assert torch.equal(sliced(conv, x, [3, 1], 3), conv(x)) or torch.allclose(sliced(conv, x, [3, 1], 3), conv(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("affine", [True, False])
def test_statistics_of_a_group_are_those_of_all_slices(dtype, affine):
    torch.manual_seed(1)
    norm = nn.GroupNorm(2, 6, affine=affine).to(dtype)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = (torch.randn(2, 6, 7, 5) * 3 + 100).to(dtype)  # a mean that plain sums of squares would drown in
    tolerance = {torch.float32: 1e-3, torch.float64: 1e-9, torch.bfloat16: 0.05}[dtype]
    whole = norm(x.double() if dtype is torch.bfloat16 and not affine else x)
    torch.testing.assert_close(sliced(norm, x, [4, 3], 2).double(), whole.double(), rtol=0, atol=tolerance)


def test_slices_of_a_batch_are_normalised_each_by_itself():
    norm, x = nn.GroupNorm(2, 4), torch.randn(5, 4, 3)
    assert torch.equal(sliced(norm, x, [3, 2], 0), norm(x))


@pytest.mark.parametrize("mode", ["constant", "replicate"])
def test_only_the_ends_of_the_axis_are_padded(mode):
    x = torch.randn(1, 2, 6, 3)
    pad = lambda p: functional.pad(p, (1, 0, 2, 1), mode)  # noqa: E731
    assert torch.equal(sliced(pad, x, [2, 4], 2), pad(x))
    across = lambda p: functional.pad(p, (1, 1, 0, 0), mode)  # noqa: E731
    assert torch.equal(sliced(across, x, [2, 4], 2), across(x))


def test_circular_padding_is_refused():
    with pytest.raises(Uncoupled, match="circular"):
        sliced(lambda p: functional.pad(p, (0, 0, 1, 1), "circular"), torch.randn(1, 2, 6, 3), [2, 4], 2)


def test_queries_of_a_slice_see_the_keys_of_all():
    x = torch.randn(2, 3, 7, 8)
    own = lambda p: functional.scaled_dot_product_attention(p, 2 * p, p)  # noqa: E731
    close(sliced(own, x, [4, 3], 2), own(x))
    text = torch.randn(2, 3, 5, 8)
    cross = lambda p: functional.scaled_dot_product_attention(p, text, text)  # noqa: E731
    close(sliced(cross, x, [4, 3], 2), cross(x))
    close(sliced(own, x.transpose(0, 2), [4, 3], 0), own(x.transpose(0, 2)))  # positions side by side


@pytest.mark.parametrize("shared", [Shared.BEFORE, Shared.AFTER])
@pytest.mark.parametrize("words", [5, 0])
def test_what_slices_share_is_seen_once(shared, words):
    """As where text is joined to a video, and padded."""
    x, text, sizes = torch.randn(2, 3, 9, 8), torch.randn(2, 3, words, 8), [4, 4, 1]

    before = shared is Shared.BEFORE

    def joint(p):
        both = torch.cat([text, p] if before else [p, text], 2)
        out = functional.scaled_dot_product_attention(both, 2 * both, both)
        return functional.pad(out, (0, 0, 2, 0) if before else (0, 0, 0, 2))

    def parted(out):
        return out.split([words + 2, out.shape[2] - words - 2] if before else [out.shape[2] - words - 2, words + 2], 2)

    streams = [parted(p) for p in lockstep([lambda p=p: joint(p) for p in x.split(sizes, 2)], sizes, shared)]
    whole = parted(joint(x))
    close(torch.cat([s[before] for s in streams], 2), whole[before])
    for stream in streams:
        close(stream[not before], whole[not before])


def test_sequences_that_do_not_grow_with_their_slice_are_refused():
    x = torch.randn(1, 1, 9, 4)
    runs = [lambda n=n: functional.scaled_dot_product_attention(*[x[:, :, :n]] * 3) for n in (5, 6, 9)]
    with pytest.raises(Uncoupled, match="grow"):
        list(lockstep(runs, [4, 4, 1], Shared.AFTER))


def test_attention_with_an_order_is_refused():
    causal = lambda p: functional.scaled_dot_product_attention(p, p, p, is_causal=True)  # noqa: E731
    with pytest.raises(Uncoupled, match="order"):
        sliced(causal, torch.randn(1, 1, 5, 4), [3, 2], 2)
