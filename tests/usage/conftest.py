"""What tests of usage share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Keep the installation's secret away from the machine's own."""
    monkeypatch.setenv("EVOCACHE_HOME", str(tmp_path / "home"))
