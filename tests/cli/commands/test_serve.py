"""`evocache serve`: what it refuses before anything is loaded."""

from __future__ import annotations

import pytest

POSTGRES = ("--database", "postgresql://nobody@127.0.0.1:1/none", "--folder", "served")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The secret, and what options call a folder, are of the test's own."""
    monkeypatch.setenv("EVOCACHE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--replicas", "2"), "without --ray"),
        (("--gpus", "1"), "without --ray"),
        (("--database", "postgresql://nobody@127.0.0.1:1/none"), "a database without a folder"),
    ],
)
def test_what_cannot_be_served_is_refused(refused, options, said):
    assert said in refused("serve", *options)


@pytest.mark.parametrize("share", ["-0.1", "1.5", "nan"])
def test_a_share_that_is_none_is_refused(run, share):
    result = run("serve", "--measure", share)
    assert result.exit_code == 2
    assert "Invalid value for '--measure'" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give --database postgresql://"),
        (("--folder", "served", "--database", "sqlite:///jobs.db"), "a file of SQLite is for one machine"),
        ((*POSTGRES, "--port", "0"), "port 0"),
    ],
)
def test_what_several_machines_cannot_share_is_refused(refused, options, said):
    pytest.importorskip("ray.serve", reason="Ray is not installed: pip install 'evocache[ray]'")
    assert said in refused("serve", "--ray", "auto", "--replicas", "2", *options)
