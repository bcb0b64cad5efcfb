"""Bytes of values: exact where small, close where sampled, each object once."""

from __future__ import annotations

import sys
import tracemalloc
from collections import deque

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from PIL import Image

from evocache.usage.keys.sizes import MOST_OBJECTS, _Measure, size_of

SMALL = 300
"""Bytes of an object's own."""


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("x" * 10_000, 10_000),
        (b"x" * 10_000, 10_000),
        (np.zeros(10_000), 80_000),
        (np.zeros((100, 100), "f4").T, 40_000),
        (np.frombuffer(bytes(10_000), "u1"), 10_000),
        (torch.zeros(10_000), 40_000),
        (torch.zeros(10_000, dtype=torch.bfloat16), 20_000),
        (pd.Series(np.zeros(10_000)), 80_000),
        (pd.DataFrame({"a": np.zeros(5_000), "b": np.zeros(5_000)}), 80_000),
        (pl.Series(np.zeros(10_000)), 80_000),
        (pl.DataFrame({"a": np.zeros(10_000)}), 80_000),
        (pa.table({"a": np.zeros(10_000)}), 80_000),
        (Image.new("L", (100, 100)), 10_000),
        (Image.new("RGB", (100, 100)), 40_000),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else "",
)
def test_bytes_of_content(value, content):
    assert content <= size_of(value) <= content + SMALL


def test_texts_in_frames_count():
    assert size_of(pd.DataFrame({"a": ["x" * 1000] * 3}, dtype=object)) > 3000
    assert size_of(np.array(["x" * 1000, "y" * 1000], object)) > 2000


def test_what_is_shared_counts_once():
    text, array = "x" * 10_000, np.zeros(1000)
    assert size_of([text, text, {"again": text}]) < 10_000 + 3 * SMALL
    assert size_of([array[:10], array[10:], array]) < 8000 + 3 * SMALL
    tensor = torch.zeros(1000)
    assert size_of([tensor[:1], tensor[1:], tensor.view(10, 100)]) < 4000 + 3 * SMALL
    circle = [text]
    circle.append(circle)
    assert size_of(circle) < 10_000 + SMALL


def test_a_part_holds_the_whole_in_memory():
    assert size_of(np.zeros(1000)[:1]) > 8000
    assert size_of(torch.zeros(1000)[:1]) > 4000


def test_objects_count_with_what_they_hold():
    class Slots:
        __slots__ = ("text",)

        def __init__(self, text: str) -> None:
            self.text = text

    class Holder:
        def __init__(self) -> None:
            self.inner = Slots("x" * 10_000)
            self.function = size_of

    assert 10_000 < size_of(Holder()) < 10_000 + 3 * SMALL
    assert size_of(size_of) == size_of(None) == size_of(int) == 1


@pytest.mark.parametrize("count", [100, 9_000, 300_000])
@pytest.mark.parametrize("kind", [list, set, tuple, deque, dict.fromkeys])
def test_containers_of_any_length(kind, count):
    """Compared with what Python itself allocated."""
    tracemalloc.start()
    value = kind(f"text {number}" for number in range(1_000_000, 1_000_000 + count))
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size_of(value) == pytest.approx(allocated, rel=0.15)


def test_large_containers_of_few_objects_are_not_taken_for_more():
    one = ["x" * 1000] * 1_000_000
    assert size_of(one) < sys.getsizeof(one) + 2000


def test_the_work_is_bounded():
    nested = [[[number] for number in range(1000)] for _ in range(1000)]
    measure = _Measure()
    size = measure.of(nested)
    assert measure._left > -2_000
    assert MOST_OBJECTS < 1000 * 1000
    assert size == pytest.approx(1000 * 1000 * (64 + 8), rel=0.5)
