"""Generations of all kinds hold in the end what half of them held: tensors, and objects of Python's."""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

import evocache
from benchmarks.resident import generate, held
from evocache.runtime.estimate import dry_run, survey_memo
from evocache.runtime.handle import handle_of
from tests.tiny import FAMILIES

OURS = tracemalloc.Filter(True, str(Path(evocache.__file__).parent / "*"))

SLACK = 1024
"""Bytes that may be more or fewer: small blocks that numpy keeps for the shapes of its next arrays, and the table of a
dictionary, which has one of two sizes when it is empty. One object more for each generation would be 50 of them.
"""

Seen = tuple[dict[str, int], tracemalloc.Snapshot]


@pytest.fixture(scope="module")
def seen() -> Iterator[list[Seen]]:
    """What is alive after 50 generations with edits between them, and after 100, with nothing applied."""
    pipe, choose = FAMILIES["pixart"].build(), random.Random(0)
    found: list[Seen] = []
    tracemalloc.start()
    try:
        for number in range(1, 101):
            generate(pipe, choose)
            if number % 50 == 0:
                handle = handle_of(pipe)
                assert handle is not None
                handle.remove()
                del handle
                dry_run._rehearsals.clear()  # bounded, and filling up meanwhile
                survey_memo._surveys.clear()
                tensors = {name: count for name, count in held().items() if name != "resident bytes"}
                sys._clear_type_cache()  # it holds up to 4,096 names of attributes that were looked up
                found.append((tensors, tracemalloc.take_snapshot().filter_traces([OURS])))
        yield found
    finally:
        tracemalloc.stop()


def test_no_tensor_adds_up_over_generations_and_edits_between_them(seen):
    (half, _), (whole, _) = seen
    assert half == whole


def test_no_object_of_ours_adds_up(seen):
    (_, half), (_, whole) = seen
    sizes = [sum(trace.size for trace in snapshot.traces) for snapshot in (half, whole)]
    assert sizes[0] > 0
    assert abs(sizes[1] - sizes[0]) < SLACK, [str(line) for line in whole.compare_to(half, "lineno") if line.size_diff]
