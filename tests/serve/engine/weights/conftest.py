"""A shelf for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evocache.serve.engine import Shelf
from tests.serve.calls import engine_threads


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A shelf, of which nothing is left."""
    with Shelf() as made:
        yield made
    assert not engine_threads()
