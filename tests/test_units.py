"""Amounts of memory are read as people write them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import AmountError
from evocache.units import format_bytes, in_bytes


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *[("200MB", 200_000_000), ("1.5 GiB", 3 << 29), ("12B", 12), (2048, 2048), (2e8, 200_000_000), (1e17, 10**17)],
        *[(".5kb", 500), (0, 0), ("0", 0), (np.int64(5000), 5000), (np.float32(2e8), 200_000_000), ("1024", 1024)],
    ],
)
def test_bytes_are_read(text: float | str, count: int) -> None:
    assert in_bytes(text) == count


@pytest.mark.parametrize(
    "text",
    [
        *["", "MB", "1.2.3MB", "2 parsecs", "-5MB", ".", -5, -0.5, float("nan"), float("inf"), "nan", "inf", True],
        *[False, None, [8], "8,5GB", "0x10", "\u0663GB", "1_000MB", 1e19, 10**5000, "9" * 400 + "GB", 1 << 61],
    ],
    ids=range(24),
)
def test_what_is_no_number_of_bytes_is_refused(text: object) -> None:
    with pytest.raises(AmountError) as caught:
        in_bytes(text)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("amount", "meant"),
    [
        (8, "8GB"),
        ("8", "8GB"),
        (8.0, "8.0GB"),
        (" 24 ", "24GB"),
        (1, "1GB"),
        (0.5, "0.5GB"),
        (80, "80GB"),
        (1023, "1023GB"),
    ],
)
def test_a_small_plain_number_is_asked_back(amount: float | str, meant: str) -> None:
    with pytest.raises(AmountError, match=f"did you mean '{meant}'"):
        in_bytes(amount)


@given(st.integers(0, 9 * 10**12))
def test_what_is_told_is_read_as_nearly_the_same(count: int) -> None:
    assert in_bytes(format_bytes(count)) == pytest.approx(count, rel=1e-3, abs=1)
