"""Parts of a batch's tensor: no copies while they stay together, writes counted apart, memory of their own."""

from __future__ import annotations

import pytest
import torch

from evocache.memory import FeatureStore, Stale
from evocache.memory.batch_parts import is_part, join_parts, mark_written, part_of


def parts(whole: torch.Tensor, *rows: int) -> list[torch.Tensor]:
    return [part_of(view) for view in torch.split(whole, list(rows))]


def test_parts_lie_in_the_batch_and_are_joined_without_a_copy() -> None:
    whole = torch.arange(24.0).reshape(6, 4)
    found = parts(whole, 1, 3, 2)
    assert all(map(is_part, found))
    assert not is_part(whole)
    joined = join_parts(found)
    assert joined.data_ptr() == whole.data_ptr()
    assert joined.equal(whole)
    assert join_parts(found[1:]).data_ptr() == found[1].data_ptr()


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2), (0, 1, 1)])
def test_what_does_not_lie_in_a_row_is_copied(order: tuple[int, ...]) -> None:
    found = parts(torch.arange(24.0).reshape(6, 4), 1, 3, 2)
    chosen = [found[i] for i in order]
    joined = join_parts(chosen)
    assert joined.equal(torch.cat(chosen))
    assert joined.untyped_storage().data_ptr() != chosen[0].untyped_storage().data_ptr()


def test_tensors_that_are_no_parts_are_copied() -> None:
    whole = torch.arange(8.0).reshape(4, 2)
    views = list(torch.split(whole, 2))
    assert join_parts(views).data_ptr() != whole.data_ptr()


def test_a_write_to_one_part_is_not_its_neighbour_s() -> None:
    whole, store = torch.zeros(4, 2), FeatureStore()
    one, other = parts(whole, 2, 2)
    assert store.put_one(("a", 0, 0), one)
    assert store.put_one(("b", 0, 0), other)
    one.add_(1)
    with pytest.raises(Stale):
        store.get(("a", 0, 0))
    assert store.get(("b", 0, 0))[0] is other


def test_a_write_by_way_of_the_whole_is_told() -> None:
    whole, store = torch.zeros(4, 2), FeatureStore()
    one, _ = parts(whole, 2, 2)
    store.put(("a", 0, 0), [one])
    whole.add_(1)
    assert store.intact(("a", 0, 0))  # nobody can see it
    mark_written(one)
    assert not store.intact(("a", 0, 0))


def test_parts_get_memory_of_their_own() -> None:
    whole, store = torch.arange(8.0).reshape(4, 2), FeatureStore()
    one, other = parts(whole, 2, 2)
    store.put(("a", 0, 0), [one])
    store.put(("b", 0, 0), [other])
    mark_written(other)
    held = store.bytes
    store.own()
    (kept,) = store.get(("a", 0, 0))
    assert kept.equal(whole[:2])
    assert kept.untyped_storage().nbytes() == kept.nbytes
    assert not store.intact(("b", 0, 0))
    assert store.bytes == held


def test_an_owner_s_features_are_given_back() -> None:
    store = FeatureStore()
    tensors = {name: torch.full((2,), float(i)) for i, name in enumerate("abc")}
    store.put(("x", 0, 0), [tensors["a"]])
    store.put(("y", 0, 0), [tensors["b"]])
    before, held = store.entries("x"), store.bytes
    store.free(("x", 0, 0))
    store.put(("x", 1, 0), [tensors["c"]])
    store.replace("x", before)
    assert store.get(("x", 0, 0))[0] is tensors["a"]
    assert ("x", 1, 0) not in store
    assert ("y", 0, 0) in store
    assert store.bytes == held
