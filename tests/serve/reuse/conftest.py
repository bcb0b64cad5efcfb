"""What tests of reuse share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(fast_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a server's folder; the installation's secret is of the test's own."""
    monkeypatch.setenv("EVOCACHE_HOME", str(fast_folder / "home"))
    return fast_folder / "server"
