"""The store counts its bytes, keeps what it may without a copy, and knows what was changed in place."""

from __future__ import annotations

import pytest
import torch

from evocache.errors import PolicyError
from evocache.memory import FeatureStore, Stale
from evocache.memory.quantization import decode, encode
from evocache.memory.tiers.disk import DiskTier


def test_bytes_are_counted_to_the_last():
    store = FeatureStore()
    assert store.put("a", [torch.zeros(10), torch.zeros(3, dtype=torch.float16)]) == 46
    assert store.put("b", [torch.zeros(5)]) == 20
    assert (store.bytes, store.peak_bytes, len(store)) == (66, 66, 2)
    store.put("a", [torch.zeros(1)])  # replaced
    assert (store.bytes, store.peak_bytes) == (24, 66)
    store.free("a")
    store.free("a")
    store.free("c")
    assert (store.bytes, len(store), "a" in store, "b" in store) == (20, 1, False, True)
    store.clear()
    assert (store.bytes, store.peak_bytes, len(store)) == (0, 66, 0)
    with pytest.raises(KeyError):
        store.get("b")


def test_a_tensor_of_its_own_is_kept_without_a_copy():
    store, tensor = FeatureStore(), torch.randn(4, 4)
    store.put("a", [tensor])
    assert store.get("a")[0] is tensor
    store.put("a", [tensor], copy=True)
    assert store.get("a")[0].data_ptr() != tensor.data_ptr()


def test_a_part_of_something_larger_is_copied():
    store, large = FeatureStore(), torch.randn(8, 4)
    assert store.put("a", [large[:2]]) == 32
    (kept,) = store.get("a")
    assert kept.untyped_storage().nbytes() == 32
    assert torch.equal(kept, large[:2])
    store.put("b", list(large.chunk(2)))  # the whole is kept anyway
    assert all(t.untyped_storage().data_ptr() == large.untyped_storage().data_ptr() for t in store.get("b"))


def test_what_was_changed_in_place_is_stale():
    store, tensor = FeatureStore(), torch.randn(4)
    store.put("a", [tensor])
    assert store.intact("a")
    tensor.add_(1)
    assert not store.intact("a")
    assert store.pieces("a") == store.pieces("b") == 0
    with pytest.raises(Stale):
        store.get("a")
    store.put("a", [tensor], copy=True)
    tensor.add_(1)
    assert torch.equal(store.get("a")[0] + 1, tensor)
    assert not store.intact("b")


def test_what_has_no_versions_is_copied():
    with torch.inference_mode():
        store, tensor = FeatureStore(), torch.randn(4)
        before = tensor.clone()
        store.put("a", [tensor])
        tensor.add_(1)
        assert torch.equal(store.get("a")[0], before)


@pytest.mark.parametrize(("coding", "size"), [("bf16", 240), ("fp8", 124), ("int8", 132)])
def test_coded_features_count_as_coded_and_are_decoded_afresh(coding, size):
    store, tensor = FeatureStore(coding=coding), torch.randn(4, 10, 3)
    whole = torch.arange(5)
    assert store.put("a", [tensor, whole]) == size + 40
    assert (store.bytes, store.peak_bytes) == (size + 40, size + 40)
    first, second = store.get("a"), store.get("a")
    assert torch.equal(first[0], decode(encode(tensor, coding)))
    assert first[0].data_ptr() != second[0].data_ptr()
    assert first[1] is second[1] is whole  # it has no smaller form
    store.free("a")
    assert store.bytes == 0


@pytest.mark.parametrize("coding", ["bf16", "fp8", "int8"])
def test_a_coded_feature_is_never_stale(coding):
    store, tensor = FeatureStore(coding=coding), torch.randn(4, 10, 3)
    store.put("a", [tensor])
    (stored,) = store.get("a")
    kept = stored.clone()
    tensor.add_(1)
    stored.add_(1)
    assert store.intact("a")
    assert torch.equal(store.get("a")[0], kept)


def test_what_a_coding_leaves_as_it_is_may_be_stale():
    store, half, single = FeatureStore(coding="bf16"), torch.randn(4, 5).half(), torch.randn(4, 5)
    store.put("a", [single, half])
    half.add_(1)
    assert not store.intact("a")
    assert store.pieces("a") == store.pieces("b") == 0
    with pytest.raises(Stale):
        store.get("a")
    large = torch.randn(8, 4).half()
    store.put("b", [large[:2], single])  # of the large one nothing but the part is kept
    assert store.get("b")[0].untyped_storage().nbytes() == 16
    assert store.bytes == 40 + 40 + 16 + 40
    both = torch.randn(16)
    store.put("c", [both[:8], both[8:].view(torch.int32)])  # the half that is coded does not need the storage
    assert store.get("c")[1].untyped_storage().nbytes() == 32


@pytest.mark.parametrize("coding", ["none", "bf16"])
def test_a_reader_who_writes_gets_copies(coding):
    store, tensor, half = FeatureStore(coding=coding), torch.randn(4), torch.randn(4).half()
    store.put("a", [tensor, half])
    before = [t.clone() for t in store.get("a")]
    for t in store.get("a", copy=True):
        t.zero_()
    assert store.intact("a")
    assert all(map(torch.equal, store.get("a"), before))


@pytest.mark.parametrize("coding", ["none", "bf16", "fp8", "int8"])
def test_codes_are_what_is_parked(tmp_path, coding):
    tier = DiskTier(tmp_path)
    try:
        store = FeatureStore(tier, coding)
        tensors = [torch.randn(2, 6, 5, 5).to(memory_format=torch.channels_last), torch.arange(3), torch.zeros(0)]
        size = store.put("a", tensors)
        before = store.get("a")
        store.park("a")
        store.settle("a")
        assert (store.bytes, store.moved) == (0, size)
        after = store.get("a")
        assert (store.bytes, store.moved) == (size, 2 * size)
        for a, b in zip(before, after, strict=True):
            assert torch.equal(a, b)
            assert (a.dtype, a.stride()) == (b.dtype, b.stride())
    finally:
        tier.close()


@pytest.mark.parametrize(("coding", "kept"), [("none", False), ("int8", True)])
def test_writing_while_a_feature_leaves_spoils_it_only_if_it_is_not_coded(tmp_path, coding, kept):
    tier = DiskTier(tmp_path)
    try:
        store, tensor = FeatureStore(tier, coding), torch.randn(4, 10, 3)
        store.put("a", [tensor])
        before = store.get("a")[0].clone()
        store.park("a")
        tensor.add_(1)
        store.settle("a")
        assert ("a" in store) is kept
        assert not kept or torch.equal(store.get("a")[0], before)
    finally:
        tier.close()


def test_an_unknown_coding_is_refused():
    with pytest.raises(PolicyError, match="'int4'"):
        FeatureStore(coding="int4")


def test_a_feature_in_pieces_is_whole_when_it_is_read(tmp_path):
    """Pieces that are added follow those before them: to the tier, and back."""
    whole = [torch.randn(3, 4), torch.randn(2, 4), torch.randn(5)]
    for moves in ((), ("park",), ("park", "settle"), ("park", "settle", "fetch")):
        tier = DiskTier(tmp_path)
        store = FeatureStore(tier)
        size = store.put("a", whole[:1])
        for move in moves:
            getattr(store, move)("a")
        size += store.add("a", whole[1:2]) + store.add("a", whole[2:])
        away = "settle" in moves and "fetch" not in moves
        assert store.bytes == (0 if away else size)
        assert store.pieces("a") == 3
        for number, tensor in enumerate(whole):
            assert [torch.equal(part, tensor) for part in store.get("a", piece=number)] == [True]
        assert all(torch.equal(a, b) for a, b in zip(store.get("a"), whole, strict=True))
        assert store.bytes == size
        store.free("a")
        assert store.bytes == 0
        tier.close()
    with pytest.raises(KeyError):
        store.add("b", whole)


def test_a_feature_with_one_piece_that_was_written_into_is_stale():
    store = FeatureStore()
    store.put("a", [torch.zeros(2)])
    piece = torch.zeros(3)
    store.add("a", [piece])
    piece.add_(1)
    assert not store.intact("a")
    assert store.pieces("a") == store.pieces("b") == 0
    with pytest.raises(Stale):
        store.get("a")
