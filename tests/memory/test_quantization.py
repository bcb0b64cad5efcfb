"""What comes back from a coding is off by what its documentation says, and takes the bytes that were predicted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from evocache.errors import PolicyError
from evocache.memory.quantization import CODINGS, check_coding, coded_bytes, decode, encode, error, fitting
from evocache.memory.tiers.tier import strides

SMALLER = CODINGS[1:]
TYPES = (torch.float32, torch.float16, torch.bfloat16)
MOST = {torch.float32: 1.9375 * 2.0**127, torch.float16: 65504.0, torch.bfloat16: 1.9375 * 2.0**127}
"""Values of float32 that are much larger are infinite in bf16."""

LAYOUTS = {
    "as it is": lambda t: t,
    "turned": lambda t: t.permute(*reversed(range(t.ndim))).contiguous().permute(*reversed(range(t.ndim))),
    "with gaps": lambda t: torch.stack([t, t + 1], -1)[..., 0],
    "part of something": lambda t: torch.cat([t, t])[: len(t)],
    "channels last": lambda t: t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t,
}


@st.composite
def tensors(draw, shortest=1):
    """Finite ones of any size, type, shape and layout; some with channels of very different sizes, some with zeros."""
    dtype = draw(st.sampled_from(TYPES))
    shape = draw(array_shapes(min_dims=1, max_dims=5, min_side=shortest, max_side=6))
    if draw(st.booleans()):
        values = draw(arrays(np.float32, shape, elements=st.floats(-MOST[dtype], MOST[dtype], width=32)))
    else:
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        sizes = rng.integers(-6, 3, [1 if i % 2 else n for i, n in enumerate(shape)])
        values = rng.standard_normal(shape) * 10.0**sizes
        values *= rng.random(shape) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    tensor = torch.from_numpy(np.asarray(values, np.float32)).clamp(-MOST[dtype], MOST[dtype]).to(dtype)
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](tensor)


def bound(tensor, name):
    """The largest error of each value, as documented."""
    exact = tensor.double()
    if name == "bf16":
        off = exact.abs() * 2**-8 + 2**-134
    elif name == "fp8":
        off = torch.maximum(exact.abs() * 2**-4, (exact.abs().amax() / 448).clamp(min=2**-126) * 2**-10)
    else:
        channels = None if tensor.ndim < 2 else tensor.ndim - 1 if tensor.ndim < 4 else 1
        others = [i for i in range(tensor.ndim) if i != channels]
        off = ((exact.abs().amax(others, keepdim=True) / 127).clamp(min=2**-126) / 2).expand(exact.shape)
    own = torch.finfo(tensor.dtype)
    return off * (1 + 1e-5) + own.eps * exact.abs() + own.smallest_normal * own.eps


@settings(deadline=None, max_examples=300)
@given(tensor=tensors(), name=st.sampled_from(SMALLER))
def test_errors_are_bounded(tensor, name):
    coded = encode(tensor, name)
    back = decode(coded)
    if coded.coding == "none":
        assert back is tensor
        return
    assert (back.dtype, back.shape, back.stride()) == (tensor.dtype, tensor.shape, strides(tensor))
    assert torch.isfinite(back).all()
    assert ((back.double() - tensor.double()).abs() <= bound(tensor, name)).all()
    assert torch.equal(back == 0, (back == 0) | (tensor == 0))  # zero stays zero


@settings(deadline=None, max_examples=200)
@given(tensor=tensors(shortest=0), name=st.sampled_from(CODINGS))
def test_bytes_are_predicted(tensor, name):
    coded = encode(tensor, name)
    kept = sum(part.untyped_storage().nbytes() for part in coded.parts)
    own = tensor.numel() * tensor.element_size()
    assert coded.bytes == coded_bytes(tensor.shape, tensor.dtype, name) <= own
    assert coded.coding == fitting(tensor.shape, tensor.dtype, name)
    assert coded.coding == "none" or kept == coded.bytes < own
    assert encode(tensor.to("meta"), name).bytes == coded.bytes


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((2, 50, 6), 6), ((50, 6), 6), ((3, 6, 8, 9), 6), ((2, 6, 3, 8, 9), 6), ((300,), 1), ((), 1)],
)
def test_bytes_by_hand(shape, channels):
    count = math.prod(shape)
    assert coded_bytes(shape, torch.float32, "none") == 4 * count
    assert coded_bytes(shape, torch.float32, "bf16") == 2 * count
    assert coded_bytes(shape, torch.float32, "fp8") == (count + 4 if count > 1 else 4)
    assert coded_bytes(shape, torch.float32, "int8") == (count + 4 * channels if count > 1 else 4)
    for dtype in (torch.float16, torch.bfloat16):
        assert coded_bytes(shape, dtype, "bf16") == 2 * count
        assert coded_bytes(shape, dtype, "fp8") == (count + 4 if count > 4 else 2 * count)
        assert coded_bytes(shape, dtype, "int8") == (count + 4 * channels if count > 4 * channels else 2 * count)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(100),
        torch.ones(100, dtype=torch.bool),
        torch.ones(100, dtype=torch.complex64),
        torch.ones(100).to(torch.float8_e4m3fn),
        torch.zeros(0),
        torch.zeros(2, 0, 3),
        torch.ones(1, 4, dtype=torch.float16),  # scales would take more than they save
    ],
    ids=lambda t: f"{t.dtype} {tuple(t.shape)}",
)
@pytest.mark.parametrize("name", CODINGS)
def test_what_does_not_become_smaller_stays_as_it_is(tensor, name):
    coded = encode(tensor, name)
    assert coded.coding == "none"
    assert decode(coded) is coded.parts[0] is tensor
    assert error(tensor, name) == 0.0


@pytest.mark.parametrize("name", ["fp8", "int8"])
@pytest.mark.parametrize("dtype", [*TYPES, torch.float64])
def test_the_largest_numbers_do_not_overflow(dtype, name):
    most = min(torch.finfo(dtype).max, torch.finfo(torch.float32).max)
    tensor = torch.linspace(-1, 1, 90, dtype=torch.float64).mul(most).to(dtype).reshape(2, 15, 3)
    back = decode(encode(tensor, name))
    assert back.isfinite().all()
    assert float(back.abs().max()) == pytest.approx(most, rel=1e-2)


@pytest.mark.parametrize("name", SMALLER)
def test_single_numbers(name):
    single, double = torch.tensor(0.3), torch.tensor(0.3, dtype=torch.float64)
    assert encode(single, name).coding == ("bf16" if name == "bf16" else "none")
    back = decode(encode(double, name))
    assert encode(double, name).coding == name
    assert (back.shape, back.dtype) == ((), torch.float64)
    assert abs(float(back) - 0.3) < 1e-3


@pytest.mark.parametrize("axis", [-1, 1])
def test_a_loud_channel_does_not_drown_the_others(axis):
    shape = (2, 50, 4) if axis == -1 else (2, 4, 5, 10)
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    tensor.select(axis, 0).mul_(1e4)
    back = decode(encode(tensor, "int8"))
    for channel in range(4):
        ours, theirs = tensor.select(axis, channel), back.select(axis, channel)
        assert 0 < float((ours - theirs).abs().max()) <= float(ours.abs().max()) / 254 * 1.0001


@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_not_finite_stays_so_and_stays_where_it_is(dtype):
    tensor = torch.linspace(-3, 3, 120).reshape(2, 20, 3).to(dtype)
    tensor[0, 4, 1], tensor[0, 7, 1], tensor[1, 2, 1] = torch.inf, -torch.inf, torch.nan
    broken = ~tensor.isfinite()
    back = {name: decode(encode(tensor, name)) for name in SMALLER}
    assert torch.equal(back["bf16"].isinf(), tensor.isinf())
    assert torch.equal(back["bf16"].isnan(), tensor.isnan())
    assert torch.equal(back["bf16"][0, [4, 7], 1], tensor[0, [4, 7], 1])
    assert torch.equal(back["fp8"].isnan(), broken)
    off = (back["fp8"] - tensor)[~broken].abs().double()
    assert (off <= (tensor[~broken].abs().double() * (2**-4 + 2**-6)).clamp(min=2**-10)).all()
    assert back["int8"][..., 1].isnan().all()
    assert encode(tensor, "int8").parts[1].isnan().tolist() == [[[False, True, False]]]
    whole = tensor[..., [0, 2]]
    assert torch.equal(back["int8"][..., [0, 2]], decode(encode(whole, "int8")))
    for name in SMALLER:
        assert dtype is not torch.float32 or math.isnan(error(tensor, name))


@pytest.mark.parametrize("name", SMALLER)
def test_all_that_is_broken_does_not_crash(name):
    for value in (torch.inf, -torch.inf, torch.nan):
        coded = encode(torch.full((3, 8, 2), value), name)
        assert not decode(coded).isfinite().any()
        assert name != "int8" or coded.parts[1].isnan().all()  # whatever the codes are


@pytest.mark.parametrize("name", SMALLER)
def test_codes_and_what_they_are_decoded_to_share_nothing(name):
    tensor = torch.randn(4, 30, 2)
    coded = encode(tensor, name)
    first = decode(coded)
    kept = first.clone()
    tensor.zero_()
    first.zero_()
    assert torch.equal(decode(coded), kept)


@pytest.mark.parametrize("name", SMALLER)
def test_codes_remember_no_gradients(name):
    tensor = torch.randn(4, 30, 2, requires_grad=True) * 2
    coded = encode(tensor, name)
    assert not any(part.requires_grad for part in (*coded.parts, decode(coded)))


def test_errors_are_measured_as_defined():
    tensor = torch.randn(2, 500, 64, generator=torch.Generator().manual_seed(1))
    found = {name: error(tensor, name) for name in CODINGS}
    for name in SMALLER:
        difference = decode(encode(tensor, name)).numpy().astype(np.float64) - tensor.numpy()
        by_hand = float(np.linalg.norm(difference) / np.linalg.norm(tensor.numpy().astype(np.float64)))
        assert found[name] == pytest.approx(by_hand, rel=1e-9)
    assert found["none"] == 0 < found["bf16"] < 2e-3 < found["int8"] < 1e-2 < found["fp8"] < 3e-2
    assert error(torch.zeros(3, 4), "int8") == 0.0
    assert error(1e30 * tensor, "fp8") == pytest.approx(found["fp8"], rel=0.1)  # scales do their work
    assert error(1e-30 * tensor, "fp8") == pytest.approx(found["fp8"], rel=0.1)


@pytest.mark.parametrize("name", ["", "int4", "INT8", None, 8, torch.int8])
def test_unknown_codings_are_refused(name):
    with pytest.raises(PolicyError, match="none, bf16, fp8, int8"):
        check_coding(name)
    for use in (encode, error):
        with pytest.raises(PolicyError):
            use(torch.zeros(3), name)
    with pytest.raises(PolicyError):
        coded_bytes((3,), torch.float32, name)
