"""The store counts its bytes, keeps what it may without a copy, and knows what was changed in place."""

from __future__ import annotations

import pytest
import torch

from evocache.memory import FeatureStore, Stale


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
