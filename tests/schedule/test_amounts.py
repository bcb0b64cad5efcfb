"""Amounts of memory are read as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import AmountError
from evocache.schedule.amounts import in_bytes, told


@pytest.mark.parametrize(
    ("text", "count"),
    [("200MB", 200_000_000), ("1.5 GiB", 3 << 29), ("12", 12), (7, 7), (2e8, 200_000_000), (".5kb", 500)],
)
def test_bytes_are_read(text: float | str, count: int) -> None:
    assert in_bytes(text) == count


@pytest.mark.parametrize("text", ["", "MB", "1.2.3MB", "2 parsecs", "-5MB", "."])
def test_what_is_no_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        in_bytes(text)


@given(st.integers(0, 9 * 10**12))
def test_what_is_told_is_read_as_nearly_the_same(count: int) -> None:
    assert in_bytes(told(count)) == pytest.approx(count, rel=1e-3, abs=1)
