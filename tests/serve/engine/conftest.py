"""A tiny pipeline, an engine of it, and batches that do not depend on the clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evocache.serve.engine.engine import Engine
from evocache.serve.engine.turns.gains import Gains
from tests.serve.calls import PIXART, engine_threads


@pytest.fixture(autouse=True)
def always_together(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute together whatever may be, but for tests of gains themselves."""
    if "test_gains" not in request.node.nodeid:
        monkeypatch.setattr(Gains, "pays", lambda self, kind: True)


@pytest.fixture(scope="module")
def pipe() -> Any:
    """A pipeline that the tests of a file leave as they found it."""
    found = PIXART.build()
    found.set_progress_bar_config(disable=True)
    return found


@pytest.fixture
def engine(pipe: Any) -> Iterator[Engine]:
    """An engine of that pipeline, of which no thread is left."""
    with Engine({"pixart": pipe}) as made:
        yield made
    assert not engine_threads()
