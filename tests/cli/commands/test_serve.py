"""`evocache serve`: what its options tell the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from evocache.cli.app import app
from evocache.serve import run as server
from evocache.serve.requests.fit import Limits
from evocache.serve.settings import Settings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Settings of servers that were started, each of which ends at once."""
    found: list[Settings] = []

    def start(settings: Settings, told: Callable[[str], None]) -> None:
        found.append(settings)

    monkeypatch.setattr(server, "run", start)
    return found


def serve(*options: str) -> Any:
    return CliRunner().invoke(app, ["serve", *options])


def test_limits_are_the_usual_ones_if_none_is_given(started: list[Settings]):
    assert serve().exit_code == 0
    usual, (found,) = Settings({"zoo:emoji": "zoo:emoji"}), started
    assert (found.limits, found.keep, found.disk_bytes) == (usual.limits, usual.keep, usual.disk_bytes)


def test_limits_are_told(started: list[Settings]):
    options = ["--max-pixels", "65536", "--max-steps", "50", "--max-pictures", "4", "--max-prompt", "500"]
    assert serve(*options, "--keep-days", "0.5", "--results", "2GB").exit_code == 0
    (found,) = started
    assert found.limits == Limits(pixels=65536, steps=50, count=4, prompt=500)
    assert (found.keep, found.disk_bytes) == (43200.0, 2_000_000_000)


@pytest.mark.parametrize(
    "options",
    [("--max-pixels", "0"), ("--max-steps", "1001"), ("--max-pictures", "11"), ("--max-prompt", "0")]
    + [("--keep-days", days) for days in ("0", "nan", "inf", "-1")]
    + [("--results", "much")],
)
def test_limits_that_are_none_are_refused(options: tuple[str, str], started: list[Settings]):
    done = serve(*options)
    assert done.exit_code == 2
    assert options[0] in done.output or "much" in done.output
    assert not started
