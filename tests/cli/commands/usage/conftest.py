import numpy as np
import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """The installation's secret is of the test."""
    monkeypatch.setenv("EVOCACHE_HOME", str(tmp_path / "home"))


@pytest.fixture
def trace_file(tmp_path):
    """2,000 requests of 20 users for some hundred keys."""

    random = np.random.default_rng(5)
    keys = random.zipf(1.3, 2000) % 400
    path = tmp_path / "requests.csv"
    rows = (f"prompt {key},{1000},0.5,user {i % 20},{key % 7},{i}" for i, key in enumerate(keys))
    path.write_text("\n".join(["key,size,seconds,owner,group,time", *rows]) + "\n")
    return path
