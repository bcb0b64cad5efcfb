"""Packing is the inverse of unpacking; stand-ins."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.modeling_outputs import Transformer2DModelOutput

from evocache.model.outputs import count_bytes, fill_blank, list_tensors, make_blank, pack, unpack

A, B = torch.ones(2, 3), torch.zeros(4, dtype=torch.float16)
OUTPUTS = [A, (A,), (A, B), [A, None], (None, A), (A, (B, None, 3)), {"sample": A, "n": 1}, None, ()]


@pytest.mark.parametrize("output", OUTPUTS, ids=range(len(OUTPUTS)))
def test_pack_is_the_inverse_of_unpack(output):
    leaves, spec = unpack(output)
    again = pack(leaves, spec)
    assert type(again) is type(output)
    assert unpack(again)[1] == spec
    assert all(a is b for a, b in zip(leaves, unpack(again)[0], strict=True))


def test_output_classes_of_diffusers():
    output = Transformer2DModelOutput(sample=A)
    leaves, spec = unpack(output)
    assert leaves[0] is A
    again = pack([B], spec)
    assert type(again) is Transformer2DModelOutput
    assert again.sample is B


def test_bytes_and_tensors():
    assert count_bytes((A, (B, None, 3))) == 2 * 3 * 4 + 4 * 2
    assert list_tensors({"x": A, "y": [B, 1]}) == [A, B]


def test_stand_ins_take_no_memory_until_they_are_to_be_written_into():
    one, none = make_blank((A, None))
    assert none is None
    assert (one.shape, one.dtype) == (A.shape, A.dtype)
    assert one.untyped_storage().nbytes() == 4
    assert not one.any()
    own, none = fill_blank((one, None))
    own.fill_(7.0)
    assert none is None
    assert own.sum() == 7 * 6
    assert not one.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_fresh_stand_ins_are_zeros_where_memory_was_used_before(dtype):
    shape = (64, 64)
    used = [torch.full(shape, 7, dtype=dtype) for _ in range(64)]
    (stand_in,) = make_blank((used[0],))
    del used
    for _ in range(64):
        assert not fill_blank(stand_in).any()
