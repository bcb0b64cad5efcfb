"""What the page says when something is refused or fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evocache.serve.access.key_store import KeyStore
from evocache.serve.database.database import Database
from evocache.serve.database.place import url_of
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.stub_worker import StubWorker
from tests.serve.web.conftest import ROUTERS
from tests.serve.web.looking import done, until_text

GENERATIONS = "**/v1/images/generations"


def refusal(status: int, message: str, **headers: str) -> dict[str, Any]:
    body = {"error": {"message": message, "type": "t", "param": None, "code": "c"}}
    return {"status": status, "body": json.dumps(body), "content_type": "application/json", "headers": headers}


def test_a_failure_is_told_and_can_be_tried_again(page: Any, worker: StubWorker):
    page.fill("#prompt", "fail pipeline")
    page.click("#go")
    page.wait_for_selector("#problem:not([hidden])")
    said = page.inner_text("#problem")
    assert "The generation failed." in said
    assert "it failed, as it was told to" in said
    page.fill("#prompt", "a fox")
    page.click("#problem button")
    done(page)
    assert page.is_hidden("#problem")
    assert len(worker.tasks) == 2


def test_what_the_server_does_not_take_is_said_in_its_words(page: Any, worker: StubWorker):
    page.fill("#steps", "900")
    page.fill("#prompt", "a fox")
    page.click("#go")
    page.wait_for_selector("#problem:not([hidden])")
    assert "900 steps; from 1 to 200 are taken" in page.inner_text("#problem")
    assert not worker.tasks


def test_nothing_is_asked_without_a_prompt(page: Any, worker: StubWorker):
    page.click("#go")
    assert "Write a prompt first" in page.inner_text("#problem")
    assert page.evaluate("document.activeElement.id") == "prompt"
    assert not worker.tasks


def test_seconds_until_there_is_room_are_counted_down(page: Any, worker: StubWorker):
    said = refusal(429, "more than it can do", **{"retry-after": "2"})
    page.route(GENERATIONS, lambda route: route.fulfill(**said))
    page.fill("#prompt", "a fox")
    page.click("#go")
    until_text(page, "#problem", "room in 2 s")
    assert page.is_disabled("#problem button")
    until_text(page, "#problem", "room in 1 s")
    page.unroute(GENERATIONS)
    page.click("#problem button")  # waits until it is enabled
    done(page)
    assert len(worker.tasks) == 1


def test_a_lost_connection_is_told(page: Any):
    page.route(GENERATIONS, lambda route: route.abort())
    page.fill("#prompt", "a fox")
    page.click("#go")
    page.wait_for_selector("#problem:not([hidden])")
    assert "The server does not answer" in page.inner_text("#problem")


@pytest.mark.parametrize("path", ["/", "/operator"])
def test_a_key_is_asked_for_and_kept_for_this_tab(opened: Any, address: str, path: str):
    given: list[str | None] = []

    def guard(route: Any) -> None:
        given.append(route.request.headers.get("authorization"))
        right = given[-1] == "Bearer evo_right"
        route.continue_() if right else route.fulfill(**refusal(401, "a key is needed"))

    opened.route("**/v1/**", guard)
    opened.goto(address + path)
    opened.wait_for_selector("#key-form:not([hidden])")
    opened.fill("#key", "evo_right")
    opened.press("#key", "Enter")
    opened.wait_for_selector("#go:enabled" if path == "/" else "main:not([hidden])")
    assert opened.is_hidden("#key-form")
    assert opened.is_hidden("#problem")
    assert opened.evaluate("[sessionStorage.length, localStorage.length]") == [1, 0]
    assert given[0] is None
    assert given[-1] == "Bearer evo_right"


def test_a_server_that_loads_its_models_is_waited_for(opened: Any, address: str):
    loading = refusal(503, "models are being loaded")
    opened.route("**/v1/models", lambda route: route.fulfill(json={"object": "list", "data": []}))
    opened.route("**/readyz", lambda route: route.fulfill(**loading))
    opened.goto(address)
    until_text(opened, "#status", "models are being loaded")
    assert opened.is_disabled("#go")
    assert opened.is_hidden("#more")
    opened.unroute("**/v1/models")
    opened.wait_for_selector("#go:enabled")
    assert "ready" in opened.inner_text("#status")


def test_a_server_with_keys_is_played_with_by_their_holders(opened: Any, worker: StubWorker, fast_folder: Path):
    with Database(url_of(fast_folder)) as database:
        _, secret = KeyStore(database).create("acme", "ann")
    service = Service(Settings({"stub": "stub", "moving": "moving"}, folder=fast_folder), [worker])
    with running(service, routers=ROUTERS) as address:
        opened.goto(address)
        opened.wait_for_selector("#key-form:not([hidden])")
        opened.fill("#key", "evo_wrong")
        opened.press("#key", "Enter")
        opened.wait_for_selector("#key-form:not([hidden])")
        opened.fill("#key", secret)
        opened.press("#key", "Enter")
        opened.wait_for_selector("#go:enabled")
        opened.fill("#prompt", "a fox")
        opened.click("#go")
        done(opened)
        opened.select_option("#model", "moving")
        opened.fill("#prompt", "a hen that runs")
        opened.click("#go")
        opened.wait_for_selector("li[data-status=completed] :is(video, .frame img)")
    assert [task.arguments["prompt"] for task in worker.tasks] == ["a fox", "a hen that runs"]
