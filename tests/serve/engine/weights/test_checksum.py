"""Checksums of weights: what they see."""

from __future__ import annotations

import pytest
import torch

from evocache.serve.engine.weights import checksum as module
from evocache.serve.engine.weights.checksum import checksum


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of few words each."""
    monkeypatch.setattr(module, "STEP", 16)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 63, 64, 65, 200, 257])
def test_equal_bytes_have_equal_numbers_and_each_bit_counts(size: int) -> None:
    data = torch.randint(0, 256, (size,), dtype=torch.uint8, generator=torch.Generator().manual_seed(size))
    before = checksum(data)
    assert checksum(data.clone()) == before
    for byte in range(size):
        for bit in range(8):
            data[byte] ^= 1 << bit
            assert checksum(data) != before
            data[byte] ^= 1 << bit
    assert checksum(data) == before


def test_what_changes_much_and_adds_up_to_little_is_seen() -> None:
    weights = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    before = checksum(weights.view(torch.uint8).flatten())
    negated, exchanged, moved = weights.clone(), weights.clone(), weights.flatten().roll(2)
    negated[:2, 3] *= -1  # the highest bits of two numbers
    exchanged[[0, 1]] = weights[[1, 0]]
    for other in (negated, exchanged, moved, -weights):
        assert checksum(other.contiguous().view(torch.uint8).flatten()) != before
