"""Whether calls go together is measured; tests of what comes of it do not depend on the clock."""

from __future__ import annotations

import pytest

from evocache.serve.engine.turns.gains import Gains


@pytest.fixture(autouse=True)
def always_together(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute together whatever may be, but for tests of gains themselves."""
    if "test_gains" not in request.node.nodeid:
        monkeypatch.setattr(Gains, "pays", lambda self, kind: True)
