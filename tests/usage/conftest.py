"""What tests of usage share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

MEMORY = Path("/dev/shm")
"""Where files need no disk: what is tested here waits for a disk hundreds of times."""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Give a folder, in memory where there is such a one."""
    fast = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    with TemporaryDirectory(
        dir=MEMORY if fast else None, prefix="evocache-test-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Keep the installation's secret away from the machine's own."""
    monkeypatch.setenv("EVOCACHE_HOME", str(tmp_path / "home"))
