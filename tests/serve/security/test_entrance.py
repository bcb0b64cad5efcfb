"""What pages of other sites try through a browser, and clients that mean no good: raw requests over sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from evocache.errors import StoreError
from evocache.serve.access.key_ring import KeyRing
from evocache.serve.access.scopes import OPEN, OPEN_BELOW, scope_of
from evocache.serve.api.app import create_app
from evocache.serve.api.entrance import bodies, slow_clients
from evocache.serve.control.admission import DoorSettings
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.security.conftest import Serve
from tests.serve.stub_worker import MOVING, STILL, StubWorker

BODY = json.dumps({"prompt": "a fox"})
FORM = b'--x\r\ncontent-disposition: form-data; name="prompt"\r\n\r\na fox\r\n--x--\r\n'
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64)"}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def home() -> Iterator[tuple[str, StubWorker]]:
    """A server without keys, and its worker, for all that changes nothing."""
    worker = StubWorker(STILL, MOVING)
    with running(Service(Settings({"stub": "stub", "moving": "moving"}), [worker])) as url:
        yield url, worker


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def raw(address: str, text: str | bytes, wait: float = 10.0) -> bytes:
    """What a server answers to bytes, until it closes the connection."""
    url = urlsplit(address)
    answer = b""
    with socket.create_connection((url.hostname, url.port), wait) as connection, suppress(ConnectionResetError):
        connection.sendall(text.encode() if isinstance(text, str) else text)
        connection.settimeout(wait)
        while b"}" not in answer.partition(b"\r\n\r\n")[2]:
            more = connection.recv(65536)
            if not more:
                break
            answer += more
    return answer


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),  # DNS rebinding
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example:8000"}, 403),
        ({"host": "127.0.0.1@evil.example"}, 403),
        ({"host": "evil.example:80@127.0.0.1"}, 403),
        ({"host": "127.0.0.1:evil.example"}, 403),
        ({"host": ""}, 403),
        ({"host": "192.168.1.5"}, 403),
        ({"host": "localhost:1"}, 200),
        ({"host": "LOCALHOST"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://localhost:3000", "host": "localhost:8000"}, 403),  # another server of this machine
        ({"origin": "file://localhost:8000", "host": "localhost:8000"}, 403),
        ({"origin": "http://localhost:8000", "host": "localhost:8000"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        (BROWSER, 403),  # an old one, which tells nothing of where it comes from
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "text/plain; application/json"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "APPLICATION/JSON; charset=utf-8"}, 200),
        ({"content-type": ""}, 415),
    ],
)
def test_who_may_post(home: tuple[str, StubWorker], headers: dict[str, str], status: int):
    url, worker = home
    before = len(worker.tasks)
    answer = httpx.post(f"{url}/v1/images/generations", content=BODY, headers={**JSON, **headers})
    assert answer.status_code == status
    assert len(worker.tasks) - before == (status == 200)
    if status != 200:
        assert answer.json()["error"]["code"]


@pytest.mark.parametrize("place", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, BROWSER])
@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/videos", "/v1/images/generations"])
def test_a_form_of_another_site_reaches_no_route(home: tuple[str, StubWorker], path: str, place: dict[str, str]):
    url, worker = home
    before = len(worker.tasks)
    headers = {"content-type": "multipart/form-data; boundary=x", **place}
    assert httpx.post(f"{url}{path}", content=FORM, headers=headers).status_code == 403
    assert len(worker.tasks) == before


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        (BROWSER, 200),
    ],
)
def test_who_may_read(home: tuple[str, StubWorker], headers: dict[str, str], status: int):
    assert httpx.get(f"{home[0]}/v1/models", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /v1/models HTTP/1.0\r\n\r\n", b"403"),
        ("GET /v1/models HTTP/1.1\r\n\r\n", b"400"),
        ("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n", b"40"),
        ("GET /v1/models HTTP/1.0\r\nhost: localhost\r\nhost: localhost\r\n\r\n", b"40"),
        ("GET /v1/models HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\norigin: http://a\r\n\r\n", b"403"),
        ("GET http://evil.example/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n", b"404"),
        ("POST /v1/videos HTTP/1.1\r\nhost: localhost\r\ncontent-length: \xb2\r\n\r\n", b"400"),
        ("POST /v1/videos HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n", b"400"),
        (
            "POST /v1/videos HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            "content-length: 99999999999\r\n\r\n",
            b"413",
        ),
    ],
)
def test_odd_requests_are_refused_and_the_server_lives(home: tuple[str, StubWorker], head: str, status: bytes):
    url, _ = home
    answer = raw(url, head.encode("latin-1"))
    assert answer.startswith((b"HTTP/1.1 " + status, b"HTTP/1.0 " + status))
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_allowed_origins_may_ask_and_read(serve: Serve):
    url = serve(origins=frozenset({"https://studio.example"}), names=frozenset({"api.example"}), insecure=True)
    place = {"origin": "https://studio.example", "host": "api.example", "sec-fetch-site": "cross-site"}
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    before = httpx.options(f"{url}/v1/images/generations", headers={**place, **asked})
    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == "https://studio.example"
    answer = httpx.post(f"{url}/v1/images/generations", content=BODY, headers={**JSON, **place})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://studio.example"
    other = httpx.options(f"{url}/v1/models", headers={**place, **asked, "origin": "https://evil.example"})
    assert other.status_code == 403
    assert "access-control-allow-origin" not in other.headers


def test_every_answer_has_the_headers_that_keep_browsers_in(home: tuple[str, StubWorker]):
    url, _ = home
    for path in ("/v1/models", "/nothing", "/healthz", "/metrics"):
        headers = httpx.get(url + path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert headers["x-request-id"].startswith("req_")
        assert "server" not in headers or "evocache" not in headers["server"]


def test_a_slow_body_is_waited_for_no_longer_than_that(
    serve: Serve, worker: StubWorker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bodies, "PATIENCE", 0.2)
    url = serve()
    head = "POST /v1/images/generations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    answer = raw(url, f'{head}content-length: 500\r\n\r\n{{"prompt')
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer.lower()
    assert b'"too_slow"' in answer
    assert not worker.tasks


def test_connections_that_send_nothing_are_closed(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slow_clients.PatientProtocol, "seconds", 0.2)
    url = serve()
    for sent in (b"", b"GET /healthz HTTP/1.1\r\nhost: loc"):
        assert raw(url, sent) == b""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), 10) as connection:  # the second head is slow
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /healthz HT")
        while connection.recv(65536):
            pass


def test_a_connection_that_asks_again_later_is_kept(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slow_clients.PatientProtocol, "seconds", 0.1)
    with httpx.Client(base_url=serve()) as client:
        for _ in range(3):
            assert client.get("/healthz").status_code == 200
            time.sleep(0.2)


def test_bodies_that_are_read_have_places_at_the_door(opened: ExitStack, worker: StubWorker):
    """Bytes that come in count before anything is known of the request, and are given back however it ends."""
    service = Service(Settings({"stub": "stub"}), [worker])
    url = opened.enter_context(running(service))
    while httpx.get(f"{url}/readyz").status_code != 200:
        time.sleep(0.005)
    service._dispatcher._desk.door.settings = DoorSettings(bytes=8 << 20)
    address = urlsplit(url)
    head = "POST /v1/videos HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\n"
    part = b"--x\r\ncontent-disposition: form-data; name=input_reference; filename=a\r\n\r\n"
    big = f"{head}content-length: {60 << 20}\r\n\r\n".encode() + part
    with socket.create_connection((address.hostname, address.port), 10) as connection:
        connection.sendall(big)
        _wait_for_open_bytes(url, 1 << 20)  # what came counts, not what is said to come
        connection.sendall(bytes(5 << 19))
        _wait_for_open_bytes(url, 3 << 20)
        answer = raw(url, big + bytes(5 << 19))  # a half is for bodies of one account
        assert answer.startswith(b"HTTP/1.1 429")
        assert b'"refused_bytes"' in answer
        assert b"retry-after:" in answer.lower()
        assert httpx.post(f"{url}/v1/images/generations", json={"prompt": "a fox"}).status_code == 200
    _wait_for_open_bytes(url, 0)


def _wait_for_open_bytes(url: str, count: int) -> None:
    for _ in range(500):
        lines = httpx.get(f"{url}/metrics").text.splitlines()
        found = float(next(line for line in lines if line.startswith("evocache:open_bytes ")).split()[1])
        if found == count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{found} bytes instead of {count}")


def test_heads_are_small(home: tuple[str, StubWorker]):
    url, _ = home
    answer = raw(url, f"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: {'a' * 200_000}")
    assert not answer or answer.startswith(b"HTTP/1.1 400")  # the connection may be cut while it still sends
    assert httpx.get(f"{url}/healthz").status_code == 200


@pytest.mark.parametrize(
    "content",
    [b"[" * 500_000, b'{"prompt": "a", "seed": ' + b"9" * 10_000 + b"}", b'{"prompt": "\\ud800"}', b"\xff\xfe", b"NaN"],
)
def test_bodies_that_break_parsers_are_refused(home: tuple[str, StubWorker], content: bytes):
    url, worker = home
    before = len(worker.tasks)
    for path in ("/v1/images/generations", "/v1/videos"):
        answer = httpx.post(f"{url}{path}", content=content, headers=JSON)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"]
    assert len(worker.tasks) == before


def test_json_is_read_up_to_a_megabyte(home: tuple[str, StubWorker]):
    content = json.dumps({"prompt": "a" * (2 << 20)})
    assert httpx.post(f"{home[0]}/v1/images/generations", content=content, headers=JSON).status_code == 413


def test_every_route_says_who_may_ask():
    """A route that is new needs a key, unless it is named among those that are open."""
    app = create_app(Service(Settings({"stub": "stub"}), [StubWorker()]))
    scopes = {path: scope_of(path) for path in app.openapi()["paths"]}
    assert {path for path, scope in scopes.items() if scope is None} <= {*OPEN, "/v1/results/{id}/{variant}"}
    assert {path for path, scope in scopes.items() if scope == "admin"} == {"/metrics"}
    assert all(path.startswith("/v1/") for path, scope in scopes.items() if scope == "inference")
    assert scope_of("//metrics") == scope_of("/metrics/x") == scope_of("/v1/admin/state") == "admin"
    assert all(path.endswith("/") for path in OPEN_BELOW)


def test_what_is_open_to_all_does_not_ask_the_database(worker: StubWorker):
    class Away(KeyRing):
        async def locked(self) -> bool:
            raise StoreError("a database", "one that answers", "wait")

    service = Service(Settings({"stub": "stub"}), [worker])
    with running(service) as url:
        keys, service.keys = service.keys, Away(None)
        statuses = [httpx.get(url + path).status_code for path in ("/healthz", "/openapi.json", "/v1/models")]
        service.keys = keys
    assert statuses == [200, 200, 503]
