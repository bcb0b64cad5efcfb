"""What tests of usage share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def tmp_path(fast_folder: Path) -> Path:
    """Give a folder, in memory where there is such a one."""
    return fast_folder


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Keep the installation's secret away from the machine's own."""
    monkeypatch.setenv("EVOCACHE_HOME", str(tmp_path / "home"))
