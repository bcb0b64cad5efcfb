"""Logs, metrics and traces: what stands in them, and what never does."""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from evocache.serve.access.key_store import KeyStore
from evocache.serve.observe.logs import OUTPUT, Format, set_up_logs
from evocache.serve.observe.traces import NoTraces, OtelTraces, make_traces
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.workers import process
from tests.serve.api.test_images import expected
from tests.serve.running_server import running
from tests.serve.security.conftest import Serve, bearer, generate
from tests.serve.stub_worker import StubWorker

PROMPT, NEGATIVE, USER, FILE = "zebracorn", "quaggabell", "mallory.example", "holiday-in-rome"

PRIVATE = (PROMPT, NEGATIVE, USER, FILE, "acme", "anns key")


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """All that is logged, as it would be written."""
    stream = io.StringIO()
    format: Format = getattr(request, "param", "json")
    root = logging.getLogger()
    level = root.level
    handler = set_up_logs(format, stream, logging.DEBUG)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def abuse(url: str, secret: str) -> None:
    """Send requests of all kinds, with words that must not be found again."""
    headers = bearer(secret)
    generate(url, secret, prompt=PROMPT, negative_prompt=NEGATIVE, user=USER)
    generate(url, secret, prompt=f"fail input {PROMPT}", user=USER)
    generate(url, secret, prompt=f"fail pipeline {PROMPT}")
    generate(url, secret, prompt=PROMPT, sead=PROMPT)
    generate(url, secret, prompt=PROMPT, size=PROMPT)
    generate(url, secret, prompt=PROMPT, model=PROMPT)
    generate(url, secret + "x", prompt=PROMPT)
    generate(url, secret, prompt=PROMPT, stream=True, partial_images=1)
    files = {"image": (f"{FILE}.png", PROMPT.encode(), "image/png")}
    httpx.post(f"{url}/v1/images/edits", data={"prompt": PROMPT}, files=files, headers=headers)
    httpx.post(f"{url}/v1/videos", json={"prompt": PROMPT, "user": USER}, headers=headers)
    httpx.get(f"{url}/v1/{PROMPT}?{NEGATIVE}=1", headers={**headers, "referer": f"{url}/{PROMPT}", "x-a": PROMPT})
    httpx.get(f"{url}/v1/models/{PROMPT}", headers=headers)
    httpx.request(PROMPT.upper(), f"{url}/v1/models", headers=headers)
    httpx.get(f"{url}/v1/models", headers={**headers, "host": PROMPT})


@pytest.mark.parametrize("lines", ["json", "text"], indirect=True)
def test_nothing_that_requests_say_is_logged(
    serve: Serve, store: KeyStore, worker: StubWorker, lines: io.StringIO, caplog: pytest.LogCaptureFixture
):
    key, secret = store.create("acme", "anns key")
    url = serve()
    abuse(url, secret)
    text = lines.getvalue() + "".join(record.getMessage() for record in _ours(caplog))
    assert text.count("req_") >= 14
    for word in (*PRIVATE, secret, secret[4:], key.id):
        assert word.lower() not in text.lower(), word
    metrics = httpx.get(f"{url}/metrics").text.lower()
    for word in (*PRIVATE, secret, key.id):
        assert word.lower() not in metrics, word


def _ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith(("evocache", "uvicorn"))]


def test_a_request_has_one_line(serve: Serve, lines: io.StringIO, worker: StubWorker):
    url = serve()
    lines.truncate(0)
    answer = generate(url, n=2)
    generate(url, model="none")
    found = [json.loads(line) for line in lines.getvalue().replace("\0", "").splitlines()]
    made, refused = [line for line in found if line["event"] == "request"]
    assert made["id"] == answer.headers["x-request-id"]
    assert made["route"] == "/v1/images/generations"
    assert (made["method"], made["status"], made["model"], made["count"]) == ("POST", 200, "stub", 2)
    assert (made["point"], made["reuse"]) == ("good", "none")
    assert made["seconds"] >= 0
    assert (refused["status"], refused["code"]) == (404, "model_not_found")
    assert "point" not in refused


def test_a_fault_is_answered_and_logged_without_its_words(lines: io.StringIO):
    class Broken(Service):
        async def generate(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError(f"it has {PROMPT}") from ValueError(PROMPT)

    with running(Broken(Settings({"stub": "stub"}), [StubWorker()])) as url:
        answer = generate(url, prompt=PROMPT)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert PROMPT not in answer.text
    assert answer.headers["x-request-id"] in lines.getvalue()
    assert answer.headers["x-content-type-options"] == "nosniff"
    text = lines.getvalue()
    assert PROMPT not in text
    assert "builtins.RuntimeError < builtins.ValueError" in text
    assert "generate" in text
    assert text.count("builtins.RuntimeError") == 1


@pytest.mark.parametrize("lines", ["json", "text"], indirect=True)
def test_messages_of_other_libraries_are_left_out(lines: io.StringIO):
    """A pipeline warns of the words of a prompt that it cut off."""
    logging.getLogger("a_library.pipelines").warning("The following part was truncated: ['%s']", PROMPT)
    logging.getLogger("asyncio").error("Task exception was never retrieved: ValueError('%s')", PROMPT)
    logging.getLogger("evocache.serve").info("it serves\nforged=1")
    text = lines.getvalue()
    assert PROMPT not in text
    assert "a_library.pipelines" in text
    assert "it serves" in text
    assert len(text.splitlines()) == 3


def test_of_what_workers_write_places_and_kinds_are_logged(lines: io.StringIO):
    """Their processes hold all libraries, and a traceback ends with what was wrong, in words."""
    try:
        {}[PROMPT]
    except KeyError:
        written = [*traceback.format_exc().splitlines(), f"RuntimeWarning: {PROMPT}", PROMPT, "Fatal Python error: x"]
    for line in written:
        logging.getLogger(OUTPUT).info("%s: %s", "worker 1", line)
    text = lines.getvalue()
    assert PROMPT not in text
    assert "test_logs.py" in text
    assert "worker 1: KeyError" in text
    assert "worker 1: Traceback" in text
    assert "Fatal Python error" in text
    assert process.OUTPUT.name == OUTPUT


def test_metrics_have_the_names_of_peers(serve: Serve, worker: StubWorker):
    url = serve()
    generate(url, n=2)
    generate(url, prompt="fail pipeline")
    found = {}
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    assert found['evocache:num_requests_running{model="stub"}'] == 0
    assert found['evocache:num_requests_waiting{model="stub"}'] == 0
    assert found['evocache:requests_total{end="made",model="stub"}'] == 1
    assert found['evocache:requests_failed_total{model="stub",reason="pipeline"}'] == 1
    assert found['evocache:generations_total{model="stub",point="good",reuse="none"}'] == 2
    assert found['evocache:request_latency_seconds_count{model="stub"}'] == 1
    assert found['evocache:queue_time_seconds_count{model="stub"}'] == 2
    assert found['evocache:diffusion_exec_s_sum{model="stub",point="good"}'] == pytest.approx(0.04)
    assert found['evocache:denoise_step_latency_s_sum{model="stub"}'] == pytest.approx(0.04 / 20)
    route = "/v1/images/generations"
    assert found[f'evocache:http_requests_total{{method="POST",route="{route}",status="200"}}'] == 1
    assert found['evocache:dispatched_total{end="made"}'] == 2


def test_labels_of_metrics_are_few_whatever_is_sent(serve: Serve):
    url = serve()
    before = len(httpx.get(f"{url}/metrics").text.splitlines())
    for at in range(5):
        httpx.get(f"{url}/random-{at}")
        httpx.request(f"METHOD{at}", f"{url}/v1/models")
        httpx.get(f"{url}/v1/models/random-{at}")
        generate(url, model=f"random-{at}", user=f"user-{at}")
    text = httpx.get(f"{url}/metrics").text
    assert "random" not in text
    assert "METHOD" not in text
    assert "user-" not in text
    assert len(text.splitlines()) < before + 150


def test_traces_are_off_unless_wanted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert isinstance(make_traces(), NoTraces)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("evocache.serve.observe.traces.installed", lambda name: False)
    assert isinstance(make_traces(), NoTraces)


def test_a_request_is_a_span_with_its_stages(worker: StubWorker):
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    traces = OtelTraces(exporter)
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    with running(Service(Settings({"stub": "stub"}), [worker]), traces=traces) as url:
        httpx.post(
            f"{url}/v1/images/generations", json={"prompt": PROMPT, "user": USER}, headers={"traceparent": parent}
        )
    traces._provider.force_flush()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    traces.close()
    request, generation = spans["POST /v1/images/generations"], spans["generation"]
    assert format(request.context.trace_id, "032x") == "a" * 32
    assert format(request.parent.span_id, "016x") == "b" * 16
    assert generation.parent.span_id == request.context.span_id
    assert spans["compute"].parent.span_id == generation.context.span_id
    assert spans["compute"].end_time - spans["compute"].start_time == pytest.approx(0.02e9, abs=1e4)
    assert request.attributes["http.response.status_code"] == 200
    assert generation.attributes["evocache.point"] == "good"
    said = "".join(span.to_json() for span in spans.values())
    assert PROMPT not in said
    assert USER not in said
    assert expected(worker)
