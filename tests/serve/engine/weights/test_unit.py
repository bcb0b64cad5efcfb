"""Weights that leave and come back beneath their tensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from evocache.errors import DeviceError
from evocache.memory.tiers.disk import DiskTier
from evocache.serve.engine.weights.unit import Unit


@pytest.fixture
def tier(tmp_path: Path) -> Iterator[DiskTier]:
    """A tier on the disk."""
    made = DiskTier(tmp_path)
    yield made
    made.close()


class Tied(nn.Module):
    """A layer whose weight a second one has as well, a buffer, and a view of a weight that is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8, dtype=torch.bfloat16)
        self.second = nn.Linear(8, 8, bias=False)
        self.third = nn.Linear(8, 8, bias=False)
        self.third.weight = self.second.weight
        self.register_buffer("table", torch.randn(3))
        self.seen = self.second.weight.data[2:4]


def numbers(module: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all that a module holds."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(module: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    """Whether a module holds what it did."""
    return all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_tensors_stay_what_they_are_and_hold_nothing_meanwhile(tier: DiskTier) -> None:
    module = Tied()
    before, objects = numbers(module), dict(module.named_parameters())
    versions = {name: tensor._version for name, tensor in objects.items()}
    unit = Unit([module])
    assert unit.bytes == sum(t.untyped_storage().nbytes() for t in objects.values()) + module.table.nbytes
    unit.put_aside(tier)
    assert not unit.here
    assert all(tensor.untyped_storage().nbytes() == 0 for tensor in module.state_dict().values())
    unit.bring_back()
    assert same(module, before)
    assert all(module.get_parameter(name) is tensor for name, tensor in objects.items())
    assert {name: tensor._version for name, tensor in objects.items()} == versions
    assert module.third.weight is module.second.weight
    assert torch.equal(module.seen, module.second.weight[2:4])
    module.seen.fill_(7.0)  # it is the same memory still
    assert torch.equal(module.third.weight[2:4], module.seen)


def test_what_did_not_change_is_written_once(tier: DiskTier, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = tier.write
    monkeypatch.setattr(tier, "write", lambda offset, data: (written.append(len(data)), write(offset, data)))
    module = Tied()
    unit = Unit([module])
    for _ in range(3):
        unit.put_aside(tier)
        unit.bring_back()
    assert sum(written) == unit.bytes
    module.first.weight.data.mul_(2)  # which torch does not count
    doubled = numbers(module)
    unit.put_aside(tier)
    unit.bring_back()
    assert same(module, doubled)
    assert sum(written) == unit.bytes + module.first.weight.nbytes


def test_of_a_large_weight_what_changed_is_written_by_the_slice(
    tier: DiskTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evocache.serve.engine.weights.slice.SLICE", 1000)
    parked: list[int] = []
    park = tier.park
    monkeypatch.setattr(tier, "park", lambda tensors: (parked.append(sum(t.nbytes for t in tensors)), park(tensors))[1])
    module = nn.Linear(64, 10, bias=False)
    unit = Unit([module])
    assert (unit.bytes, unit.passing) == (2560, 2000)
    unit.put_aside(tier)
    assert parked == [1000, 1000, 560]
    unit.bring_back()
    module.weight.data[5] = 0.5
    before = numbers(module)
    unit.put_aside(tier)
    assert parked == [1000, 1000, 560, 1000]
    unit.bring_back()
    assert same(module, before)


def test_weights_in_a_mapped_file_get_memory_of_their_own(tier: DiskTier, tmp_path: Path) -> None:
    module = Tied()
    save_file({"weight": module.second.weight.detach().clone()}, tmp_path / "one.safetensors")
    shared = torch.from_file(
        str(tmp_path / "plain"), shared=True, size=64, dtype=torch.float32
    )  # memory that cannot be given back
    shared.copy_(load_file(tmp_path / "one.safetensors")["weight"].flatten())
    module.second.weight.data = shared.view(8, 8)
    assert not module.second.weight.untyped_storage().resizable()
    before, unit = numbers(module), Unit([module])
    unit.put_aside(tier)
    assert module.third.weight.untyped_storage().nbytes() == 0
    unit.bring_back()
    assert same(module, before)


def test_a_disk_that_is_full_leaves_the_weights_where_they_were(
    tier: DiskTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Tied()
    before, unit, left, whole = numbers(module), Unit([module]), [2], tier.write

    def write(offset: int, data: memoryview) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise DeviceError("no space", "space", "free some")
        whole(offset, data)

    monkeypatch.setattr(tier, "write", write)
    with pytest.raises(DeviceError):
        unit.put_aside(tier)
    monkeypatch.undo()
    assert unit.here
    assert same(module, before)


def test_bytes_that_come_back_other_than_they_went_are_told(tier: DiskTier) -> None:
    unit = Unit([Tied()])
    unit.put_aside(tier)
    tier.write(0, memoryview(b"\xff" * 16))
    for _ in range(2):
        with pytest.raises(DeviceError, match="came back"):
            unit.bring_back()
        assert not unit.here


def test_weights_of_classes_of_their_own_stay() -> None:
    class Coded(nn.Parameter):
        pass

    module = nn.Linear(2, 2)
    module.weight = Coded(module.weight.data)
    assert not Unit([module]).movable
    assert Unit([nn.Linear(2, 2)]).movable
