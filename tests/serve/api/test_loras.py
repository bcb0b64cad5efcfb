"""LoRAs that requests name: which there are, what they are checked for, and what the answer says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest

from evocache.serve.background.request_text import read_request, write_request
from evocache.serve.requests.request import GenerationRequest
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.api.test_promised import until
from tests.serve.running_server import running
from tests.serve.stub_worker import INKED, MOVING, StubWorker, picture_of

FILM = replace(MOVING, name="film", loras=(INKED.loras[1],))


@pytest.fixture
def worker() -> StubWorker:
    return StubWorker(INKED, FILM)


@pytest.fixture
def address(worker: StubWorker) -> Iterator[str]:
    with running(Service(Settings({"inked": "x", "film": "x"}), [worker])) as url:
        yield url


def ask(address: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{address}/v1/images/generations", json={"prompt": "a fox", "seed": 7, **body}, timeout=30)


def account(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["evocache"]["pictures"][0]
    return found


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"ink": 0.5}, {"ink": 0.5}),
        (["ink"], {"ink": 0.8}),
        (["ink", "clay"], {"clay": 1.0, "ink": 0.8}),
        ({"ink": 1, "clay": 0}, {"ink": 1.0}),
        ({}, {}),
        (None, {}),
    ],
)
def test_they_are_chosen_by_name(address: str, worker: StubWorker, asked: Any, given: dict[str, float]) -> None:
    said = account(ask(address, loras=asked))
    (task,) = worker.tasks
    assert list(task.loras.items()) == list(given.items())
    assert said.get("loras", {}) == given


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"inc": 1.0}, "did you mean ink"),
        (["/etc/ink.safetensors"], "it has ink, clay"),
        ({"ink": "much"}, "number"),
        ({f"x{at}": 1.0 for at in range(9)}, "at most 8"),
        ("ink", "dict"),
    ],
)
def test_others_are_refused_with_what_there_is(address: str, worker: StubWorker, asked: Any, text: str) -> None:
    answer = ask(address, loras=asked)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"].startswith("loras")
    assert text in error["message"]
    assert not worker.tasks


def test_the_official_client_names_them_in_both_places(address: str, worker: StubWorker) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0, timeout=30) as client:
        client.images.generate(prompt="a fox", extra_body={"loras": {"ink": 0.4}})
        client.images.generate(prompt="a fox", extra_body={"evocache": {"loras": {"ink": 0.4}}})
        shown = {model.id: model.evocache for model in client.models.list().data}  # type: ignore[attr-defined]
    assert [task.loras for task in worker.tasks] == [{"ink": 0.4}] * 2
    ink, clay = shown["inked"]["loras"]
    assert (ink["name"], ink["weight"], clay["name"], clay["points"]) == ("ink", 0.8, "clay", [])
    assert [point["label"] for point in ink["points"]] == ["inky"]
    assert [point["label"] for point in shown["inked"]["points"]] == ["good", "fast", "rough"]


@pytest.mark.parametrize("field", ["loras[clay]", "evocache[loras][clay]", "loras[]", "evocache[loras][]"])
def test_forms_name_them_in_brackets(address: str, worker: StubWorker, field: str) -> None:
    value = "clay" if field.endswith("[]") else "0.5"
    files = {"prompt": (None, "a fox"), field: (None, value)}
    answer = httpx.post(f"{address}/v1/videos", files=files, timeout=30)
    assert answer.status_code == 200, answer.text
    for _ in range(1000):
        if httpx.get(f"{address}/v1/videos/{answer.json()['id']}").json()["status"] == "completed":
            break
    assert worker.tasks[0].loras == {"clay": 1.0 if value == "clay" else 0.5}


def test_a_front_holds_for_what_it_was_evolved_with(address: str, worker: StubWorker) -> None:
    """The model's own for none, a LoRA's for that alone at its usual weight, and nothing for others."""
    points = [(None, "good", ""), (["ink"], "inky", "")]
    points += [({"ink": 0.5}, "uncached", "LoRA ink 0.5 acts, measured with ink 0.8 alone")]
    points += [({"clay": 1.0}, "uncached", "LoRA clay 1 acts, measured with none")]
    points += [(["clay", "ink"], "uncached", "LoRA clay 1 and ink 0.8 acts, measured with ink 0.8 alone")]
    for loras, label, note in points:
        said = account(ask(address, loras=loras))
        assert said["point"] == label
        assert not note or note in said["notes"][0]
    assert account(ask(address, loras=["ink"], guidance_scale=5.0))["point"] == "uncached"
    assert [task.point for task in worker.tasks] == [0, 3, None, None, None, None]


def test_results_of_different_loras_are_never_mixed(address: str, worker: StubWorker) -> None:
    """Neither from what is stored nor from what is in flight; equal ones are."""
    sets: list[Any] = [None, {"ink": 0.8}, {"ink": 0.7}, {"clay": 0.8}, ["ink", "clay"]]
    first = [ask(address, loras=loras) for loras in sets]
    assert len({answer.json()["data"][0]["b64_json"] for answer in first}) == len(sets)
    assert {account(answer)["reuse"] for answer in first} == {"none"}
    again = [ask(address, loras=loras) for loras in [{}, ["ink"], {"ink": 0.7, "clay": 0.0}, {"clay": 0.8}]]
    for one, other in zip(first, again, strict=False):
        assert account(other)["reuse"] == "exact"
        assert other.json()["data"] == one.json()["data"]
        assert account(other).get("loras") == account(one).get("loras")
    assert len(worker.tasks) == len(sets)


def test_what_is_promised_is_made_with_them(address: str, worker: StubWorker) -> None:
    promised = ask(address, loras=["ink"], background=True).json()
    made = until(address, promised["id"], "completed")
    assert made["evocache"]["pictures"][0]["loras"] == {"ink": 0.8}
    assert worker.tasks[0].loras == {"ink": 0.8}
    assert picture_of(worker.tasks[0]) != picture_of(replace(worker.tasks[0], loras={}))
    video = httpx.post(f"{address}/v1/videos", json={"prompt": "a fox", "loras": {"clay": 0.5}}).json()
    for _ in range(2000):
        if httpx.get(f"{address}/v1/videos/{video['id']}").json()["status"] == "completed":
            break
    again = httpx.post(f"{address}/v1/videos/{video['id']}/remix", json={"prompt": "a hen"})
    assert again.status_code == 200, again.text
    for _ in range(2000):
        if httpx.get(f"{address}/v1/videos/{again.json()['id']}").json()["status"] == "completed":
            break
    assert [task.loras for task in worker.tasks[1:]] == [{"clay": 0.5}] * 2
    assert worker.tasks[1].seed == worker.tasks[2].seed


def test_the_text_of_a_job_has_them() -> None:
    asked = GenerationRequest("inked", {"prompt": "a fox"}, seed=7, loras={"ink": 0.8})
    assert read_request(write_request(asked)) == asked
    assert "loras" not in json.loads(write_request(replace(asked, loras={})))  # older servers read it as well
