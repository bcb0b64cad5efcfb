"""What tells bytes from others, computed on their device."""

from __future__ import annotations

import torch

STEP = 1 << 20
"""Words of four bytes that are taken at a time: they take 16 bytes each meanwhile, 8 of them for the factors."""

MIX = (0x9E3779B97F4A7C15 - (1 << 64), 0xBF58476D1CE4E5B9 - (1 << 64))
"""Constants of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), as signed numbers."""


def checksum(data: torch.Tensor) -> tuple[int, ...]:
    """Return numbers that tell bytes from others, by little memory beside them; on any device they are the same.

    Each word of 32 bits is multiplied by an odd number of 64 bits of its own, and the products are added up modulo
    2^64: a multilinear hash (Lemire and Kaser, Computer Journal 57, 2014). One word that changed is always seen; of
    other changes one in 2^32, at most, is not.

    Args:
        data: `(bytes,)`, uint8, from an address that four divides.
    """
    whole = data.numel() // 4 * 4
    words = data[:whole].view(torch.int32)
    factors = _factors(min(words.numel(), STEP), data.device)
    parts = [words[start : start + STEP] for start in range(0, max(1, words.numel()), STEP)]
    sums = [part.long().mul_(factors[: part.numel()]).sum() for part in parts]
    return (*torch.stack(sums).tolist(), *data[whole:].tolist())


def _factors(count: int, device: torch.device) -> torch.Tensor:
    """Odd numbers that look random: `(count,)`, int64."""
    found = torch.arange(1, count + 1, dtype=torch.int64, device=device).mul_(MIX[0])
    found.bitwise_xor_(found >> 30).mul_(MIX[1])
    return found.bitwise_xor_(found >> 27).bitwise_or_(1)
