"""Pages and their files over HTTP, and the figures of the operator's page."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from evocache.serve.access.scopes import scope_of
from evocache.serve.requests.identity import ADMIN
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.web.figures import drift_of, only_numbers
from evocache.serve.web.pages import STATIC, static_files
from tests.serve.stub_worker import StubWorker

FILES = sorted(path for path in STATIC.rglob("*") if path.is_file())


def test_pages_and_what_they_load_are_sent_under_a_strict_policy(address: str):
    with httpx.Client(base_url=address) as client:
        for path in ("/", "/operator"):
            page = client.get(path)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            policy = page.headers["content-security-policy"]
            assert policy.startswith("default-src 'self'; img-src 'self' data: blob:")
            assert "unsafe" not in policy
            loaded = re.findall(r'(?:href|src)="(/web/[^"]+)"', page.text)
            assert len(loaded) >= 4
            for file in loaded:
                found = client.get(file)
                assert found.status_code == 200
                assert found.headers["x-content-type-options"] == "nosniff"
                assert client.get(file, headers={"if-none-match": found.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "path", ["nothing.js", "../pages.py", "%2e%2e/pages.py", "play/../../pages.py", "/etc/passwd", ""]
)
def test_nothing_else_is_sent(address: str, path: str):
    answer = httpx.get(f"{address}/web/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_need_no_other_host_and_hold_nothing_inline(path: Any):
    text = path.read_text(encoding="utf-8")
    assert path.relative_to(STATIC).as_posix() in static_files()
    assert not [url for url in re.findall(r"https?://[^\s\"'`)]+", text) if url != "http://www.w3.org/2000/svg"]
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    if path.suffix == ".html":
        assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)
    assert len(text.splitlines()) <= 250


def test_the_state_is_numbers_alone(address: str, worker: StubWorker):
    with httpx.Client(base_url=address, timeout=60) as client:
        asked = {"prompt": "a secret fox", "user": "somebody"}
        client.post("/v1/images/generations", json=asked).raise_for_status()
        client.post("/v1/images/generations", json={**asked, "prompt": "fail pipeline"})
        for _ in range(500):  # what was made is counted once it is stored, after its answer
            answer = client.get("/v1/admin/state")
            state = answer.json()
            if "miss" in state["reuse"]["counts"]:
                break
    assert answer.headers["cache-control"] == "no-store"
    assert state["ends"] == {"made": 1, "failed": 1}
    assert state["models"]["stub"]["points"] == {"good": 1}
    assert state["models"]["stub"]["front"] == ["good", "fast", "rough"]
    assert state["models"]["stub"]["state"] == "normal"
    assert state["engines"] == [{"tasks": 2}]
    assert state["jobs"] == {}
    assert state["reuse"]["counts"] == {"miss": 1, "failed": 1}
    assert state["drift"] == {}
    assert "secret" not in answer.text
    assert "somebody" not in answer.text


def test_figures_are_the_operators_and_pages_anybodys():
    assert scope_of("/v1/admin/state") == ADMIN
    assert {scope_of(path) for path in ("/", "/operator", "/web/play/play.js")} == {None}


def test_changes_of_usage_are_told(worker: StubWorker):
    drift = Service(Settings({"stub": "stub"}), [worker]).reuse.records.drift
    for at in range(3000):
        drift.add(at, at > 1500, time=float(at))
    change, *_ = drift_of(drift.points)["hit_rate"]
    assert change["before"] < 0.1
    assert change["after"] > 0.1
    assert change["ago"] > 1e9


def test_only_numbers_are_kept():
    given = {"turns": 3, "wait": float("inf"), "text": "a fox", "in": {"a": "b", "c": 1}, "list": [1, "x", [2.5]]}
    assert only_numbers(given) == {"turns": 3, "in": {"c": 1}, "list": [1, [2.5]]}
