"""Nobody meets anybody: ids of others do not exist, whatever is asked of them, and who is let in sees its own alone."""

from __future__ import annotations

import time
from typing import NamedTuple

import httpx
import pytest

from evocache.serve.access.key_store import KeyStore
from evocache.serve.access.links import Links
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.security.conftest import Serve, bearer, generate
from tests.serve.stub_worker import MOVING, STILL, StubWorker

UNKNOWN = "video_" + "0" * 32


class Two(NamedTuple):
    """Keys of two tenants, another key of the first, and an operator's."""

    ann: str
    sister: str
    bob: str
    admin: str


@pytest.fixture
def two(store: KeyStore) -> Two:
    secrets = [store.create(tenant, name)[1] for tenant, name in (("acme", "ann"), ("acme", "sis"), ("evil", "bob"))]
    return Two(*secrets, store.create("acme", "ops", ["admin"])[1])


def make_video(url: str, secret: str) -> str:
    """The id of a video that is made."""
    made = httpx.post(f"{url}/v1/videos", json={"prompt": "a fox runs"}, headers=bearer(secret))
    assert made.status_code == 200, made.text
    id = str(made.json()["id"])
    for _ in range(1000):
        if httpx.get(f"{url}/v1/videos/{id}", headers=bearer(secret)).json()["status"] == "completed":
            return id
        time.sleep(0.01)
    raise AssertionError("it is not made")


def test_what_is_of_others_does_not_exist(serve: Serve, two: Two):
    url = serve()
    id = make_video(url, two.ann)
    calls = [
        ("GET", "/v1/videos/{}"),
        ("GET", "/v1/videos/{}/content"),
        ("GET", "/v1/videos/{}/content?variant=thumbnail"),
        ("DELETE", "/v1/videos/{}"),
        ("POST", "/v1/videos/{}/remix"),
    ]
    for method, path in calls:
        body = {"json": {"prompt": "a wolf"}} if method == "POST" else {}
        answers = []
        for secret in (two.bob, two.sister):  # of another tenant, and another owner of the same
            for one in (id, UNKNOWN):
                answers.append(httpx.request(method, url + path.format(one), headers=bearer(secret), **body))
        assert {answer.status_code for answer in answers} == {404}, path
        assert len({answer.content for answer in answers}) == 1, path
    assert httpx.get(f"{url}/v1/videos", headers=bearer(two.bob)).json()["data"] == []
    of_others = httpx.get(f"{url}/v1/videos?after={id}", headers=bearer(two.bob))
    unknown = httpx.get(f"{url}/v1/videos?after={UNKNOWN}", headers=bearer(two.bob))
    assert of_others.status_code == unknown.status_code == 400
    assert of_others.content.replace(id.encode(), b"") == unknown.content.replace(UNKNOWN.encode(), b"")
    assert httpx.get(f"{url}/v1/videos/{id}/content", headers=bearer(two.ann)).status_code == 200


def test_an_admin_is_no_holder_of_pictures_and_a_holder_no_admin(serve: Serve, two: Two):
    url = serve()
    id = make_video(url, two.ann)
    assert httpx.get(f"{url}/v1/videos/{id}", headers=bearer(two.admin)).status_code == 403
    assert generate(url, two.admin).json()["error"]["code"] == "insufficient_scope"
    passed_on = {"x-forwarded-for": "10.0.0.1"}
    for secret, status in ((two.ann, 403), ("", 401), ("evo_x", 401), (two.admin, 200)):
        answer = httpx.get(f"{url}/metrics", headers={**(bearer(secret) if secret else {}), **passed_on})
        assert answer.status_code == status
    assert httpx.get(f"{url}/metrics").status_code == 200  # from this machine, to a server for it alone


def test_metrics_need_an_admin_where_others_reach_the_server(serve: Serve, two: Two):
    url = serve(names=frozenset({"studio.example"}))
    for secret, status in ((two.ann, 403), ("", 401), (two.admin, 200)):
        assert httpx.get(f"{url}/metrics", headers=bearer(secret) if secret else {}).status_code == status


def test_an_insecure_server_shows_nobody_its_metrics(serve: Serve):
    url = serve(names=frozenset({"studio.example"}), insecure=True)
    assert generate(url).status_code == 200
    assert httpx.get(f"{url}/metrics").json()["error"]["code"] == "no_keys"


def test_what_needs_no_key_says_nothing_of_anybody(serve: Serve, two: Two):
    url = serve()
    assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{url}/readyz").json() == {"status": "ok"}
    for path in ("/v1/models", "/v1/usage", "/v1/videos", "/nothing", "/v1/results", "/docs"):
        assert httpx.get(url + path).status_code == 401, path


@pytest.mark.parametrize(
    "id",
    [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "video_..",
        "video_" + "0" * 31 + "%00",
        "video_" + "g" * 32,
        "a" * 5000,
        "%0d%0a",
    ],
)
def test_ids_are_no_paths(serve: Serve, two: Two, id: str):
    url = serve()
    for path in (f"/v1/videos/{id}", f"/v1/videos/{id}/content", f"/v1/models/{id}"):
        assert httpx.get(url + path, headers=bearer(two.ann)).status_code == 404
    link = httpx.get(f"{url}/v1/results/{id}/video?expires=9999999999&mark={'0' * 64}&signature={'0' * 64}")
    assert link.status_code in (403, 404)


@pytest.mark.parametrize(
    "model", ["../../etc/passwd", "/etc/passwd", "hub://a/b", "stub/../moving", "stub\u0000", "a" * 300]
)
def test_models_are_named_and_never_paths(serve: Serve, two: Two, model: str):
    url = serve()
    answer = generate(url, two.ann, model=model)
    assert answer.status_code in (400, 404)
    assert "passwd" not in answer.text or "no model" in answer.text


LINKS = Links(b"s" * 32)


def test_a_link_is_of_one_part_of_one_owners_result_for_a_while():
    now = [1000.0]
    links = Links(b"s" * 32, keep=60.0, clock=lambda: now[0])
    id = "video_" + "a" * 32
    path = httpx.URL(links.sign(id, "video", "acme", "key_1"))
    query = dict(path.params)
    assert path.path == f"/v1/results/{id}/video"
    assert "acme" not in str(path)
    assert "key_1" not in str(path)
    assert links.check(id, "video", query)
    assert links.is_of(query["mark"], "acme", "key_1")
    assert not links.is_of(query["mark"], "acme", "key_2")
    assert not links.is_of(query["mark"], "acm", "ekey_1")
    assert not links.check(id, "thumbnail", query)
    assert not links.check("video_" + "b" * 32, "video", query)
    for name in query:
        assert not links.check(id, "video", {**query, name: "9" * len(query[name])})
        assert not links.check(id, "video", {key: value for key, value in query.items() if key != name})
    assert not Links(b"t" * 32, clock=lambda: now[0]).check(id, "video", query)
    assert not links.check(id, "../video", query)
    now[0] += 59.9
    assert links.check(id, "video", query)
    now[0] += 0.1
    assert not links.check(id, "video", query)


def test_a_link_needs_no_key_and_ends_with_its_result(serve: Serve, folder, two: Two, store: KeyStore):
    secret = b"s" * 32
    url = serve(secret=secret)
    id = make_video(url, two.ann)
    (ann, *_) = store.list()
    good = Links(secret).sign(id, "video", ann.tenant, ann.id)
    place = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "video"}
    answer = httpx.get(url + good, headers=place)
    assert answer.status_code == 200
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.content == httpx.get(f"{url}/v1/videos/{id}/content", headers=bearer(two.ann)).content
    refused = [
        good.replace("video?", "thumbnail?"),
        Links(b"other" * 7).sign(id, "video", ann.tenant, ann.id),
        Links(secret, keep=-1.0).sign(id, "video", ann.tenant, ann.id),
        good.partition("?")[0],
    ]
    for path in refused:
        assert httpx.get(url + path).status_code == 403
    for gone in (Links(secret).sign(UNKNOWN, "video", "a", "b"), Links(secret).sign(id, "video", "evil", "key")):
        assert httpx.get(url + gone).status_code == 404
    httpx.delete(f"{url}/v1/videos/{id}", headers=bearer(two.ann))
    assert httpx.get(url + good).status_code == 404


def test_links_of_a_server_without_a_secret_end_with_it():
    first, second = (Service(Settings({"stub": "stub"}), [StubWorker(STILL, MOVING)]) for _ in range(2))
    path = httpx.URL(first.links.sign(UNKNOWN, "video", "a", "b"))
    assert first.links.check(UNKNOWN, "video", dict(path.params))
    assert not second.links.check(UNKNOWN, "video", dict(path.params))
    with running(first) as url:
        assert httpx.get(url + str(path)).status_code == 404
