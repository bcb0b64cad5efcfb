"""Traces are checked when they are made, cannot be written to, and their parts keep their times."""

import numpy as np
import pytest

from evocache.errors import UsageError
from evocache.usage.policies.trace import Trace


def test_columns_have_the_types_that_are_promised():
    trace = Trace.of(np.array([1, 2**64 - 1], dtype=np.uint64), size=[3, 4], seconds=2, owner=np.int32([5, 6]))
    assert [trace.key.dtype, trace.size.dtype, trace.seconds.dtype, trace.owner.dtype] == ["u8", "i8", "f8", "i8"]
    assert trace.key.tolist() == [1, 2**64 - 1]
    assert trace.time.tolist() == [1, 2]


def test_digests_of_a_list_keep_all_their_digits():
    keys = [1, 2**64 - 1, 2**63]
    trace = Trace.of(keys, owner=tuple(keys), group=[5, 6, 7])
    assert trace.key.tolist() == trace.owner.tolist() == keys
    assert trace.group.tolist() == [5, 6, 7]


def test_a_trace_of_nothing_is_one():
    assert len(Trace.of([])) == 0


def test_parts_keep_their_times_and_share_the_columns():
    trace = Trace.of(np.arange(10), size=np.arange(1, 11))
    assert trace[4:6].time.tolist() == [5, 6]
    assert trace[4:6].size.tolist() == [5, 6]
    assert np.shares_memory(trace[4:6].key, trace.key)
    assert trace[trace.key % 3 == 0].time.tolist() == [1, 4, 7, 10]
    assert trace[np.array([2, 5])].key.tolist() == [2, 5]


def test_a_trace_cannot_be_written_to():
    keys = np.arange(3)
    trace = Trace.of(keys)
    with pytest.raises(ValueError, match="read-only"):
        trace.key[0] = 1
    keys[0] = 1  # the caller's own array stays writeable


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"size": [1, 0, 1]}, "size 0 in row 1"),
        ({"size": 1.5}, "column size"),
        ({"size": [1, 2]}, "'size': 2"),
        ({"seconds": [0, 1, -1]}, "seconds -1.0 in row 2"),
        ({"seconds": [0, float("nan"), 1]}, "seconds nan in row 1"),
        ({"seconds": [0, float("inf"), 1]}, "seconds inf in row 1"),
        ({"time": [1, 3, 2]}, "decreases after row 1"),
        ({"time": [-1, 3, 4]}, "time -1 in row 0"),
        ({"owner": ["a", "b", "c"]}, "column owner"),
        ({"group": [[1, 2, 3]]}, "2 dimensions"),
        ({"key": [1, 2, 2**64]}, "column key"),
    ],
)
def test_columns_that_are_none_are_refused(columns, said):
    with pytest.raises(UsageError) as error:
        Trace.of(**{"key": [1, 2, 3], **columns})
    assert said in str(error.value)


@pytest.mark.parametrize("rows", [1, [0, 1], "a"])
def test_rows_that_are_none_are_refused(rows):
    with pytest.raises(UsageError, match="a slice"):
        Trace.of([1, 2, 3])[rows]


def test_rows_out_of_order_are_refused():
    with pytest.raises(UsageError, match="decreases"):
        Trace.of([1, 2, 3])[::-1]
