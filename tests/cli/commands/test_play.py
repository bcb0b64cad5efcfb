"""`evocache play`: the page of a server that runs, or of one that it starts."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from typing import Any

import pytest

from evocache.cli.commands import play
from evocache.serve import run as server
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.stub_worker import StubWorker


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that a browser was told to open."""
    urls: list[str] = []
    monkeypatch.setattr(play.webbrowser, "open", lambda url: urls.append(url) or True)
    return urls


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Settings of servers that were started, each of which ends at once."""
    all: list[Settings] = []

    def start(settings: Settings, told: Callable[[str], None]) -> None:
        all.append(settings)
        told("http://127.0.0.1:4321")

    monkeypatch.setattr(server, "run", start)
    return all


def test_a_server_that_runs_is_played_with(run: Any, shown: list[str], started: list[Settings]):
    with running(Service(Settings({"stub": "stub"}), [StubWorker()])) as url:
        said = run("play", "--port", url.rpartition(":")[2]).stderr
    assert shown == [url]
    assert url in said
    assert not started


def test_one_is_started_where_none_answers(run: Any, shown: list[str], started: list[Settings]):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert run("play", "--port", port, "-m", "film=zoo:emoji-motion").exit_code == 0
    assert shown == ["http://127.0.0.1:4321"]
    (settings,) = started
    assert (settings.port, list(settings.models)) == (port, ["film"])


def test_without_a_browser_the_address_is_said(run: Any, shown: list[str], started: list[Settings]):
    assert "Open http://127.0.0.1:4321" in run("play", "--port", "0", "--no-browser").stderr
    assert shown == []


def test_what_is_no_server_of_ours_is_none():
    with socketserver.TCPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        assert not play.answers("127.0.0.1", other.server_address[1])
        thread.join(10)


class Other(socketserver.StreamRequestHandler):
    """What else may listen at an address."""

    def handle(self) -> None:
        self.request.recv(4096)
        self.wfile.write(b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"status": "up"}')
