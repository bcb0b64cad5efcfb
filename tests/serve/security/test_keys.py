"""Keys: what is stored of them, who they let in, and for how long."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from evocache.cli.app import app
from evocache.errors import Error, InputError
from evocache.serve.access.key import ApiKey, hash_secret, new_secret
from evocache.serve.access.key_ring import FRESH, KeyRing
from evocache.serve.access.key_store import KeyStore
from evocache.serve.control.rates import Quota
from evocache.serve.control.shares import Owner
from tests.serve.security.conftest import Serve, bearer, generate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_secret_is_256_random_bits_and_only_its_digest_is_stored(store: KeyStore, folder: Path):
    secrets = {store.create("acme", f"key {at}")[1] for at in range(20)}
    assert len(secrets) == 20
    assert all(secret.startswith("evo_") and len(secret) == 47 for secret in secrets)
    store._database.close()
    files = b"".join(path.read_bytes() for path in folder.iterdir())
    for secret in secrets:
        assert secret.encode() not in files
        assert secret[4:].encode() not in files
        assert hash_secret(secret) in files


def test_a_key_is_what_was_made(store: KeyStore):
    key, secret = store.create("acme", "ann", ["inference", "admin"], seconds=60.0, quota=Quota(per_minute=5, queued=2))
    assert store.by_hash().get(hash_secret(secret)) == key
    assert store.list() == [key]
    assert key.expires == pytest.approx(key.created + 60)
    assert (key.tenant, key.name, key.scopes) == ("acme", "ann", {"inference", "admin"})
    assert store.by_hash().get(hash_secret(secret + "x")) is None


@pytest.mark.parametrize(("tenant", "name", "scopes"), [("", "a", ["admin"]), ("a", "a\n", ["admin"]), ("a", "b", [])])
def test_what_is_no_key_is_refused(store: KeyStore, tenant: str, name: str, scopes: list[str]):
    with pytest.raises(InputError):
        store.create(tenant, name, scopes)
    with pytest.raises(InputError):
        store.create("a", "b", ["root"])
    assert not store.list()


def test_a_revoked_key_stays_revoked(store: KeyStore):
    key, secret = store.create("acme", "ann")
    first = store.revoke(key.id)
    assert first.revoked is not None
    assert store.revoke(key.id) == first
    found = store.by_hash().get(hash_secret(secret))
    assert found is not None
    assert not found.is_valid(found.created)
    assert store.list()
    with pytest.raises(InputError):
        store.revoke("key_none")


def test_a_ring_sees_a_revocation_after_seconds_and_an_end_at_once(store: KeyStore):
    clock, wall = Clock(), Clock()
    store.clock = wall
    ring = KeyRing(store, clock=clock)
    key, secret = store.create("acme", "ann", quota=Quota(per_day=3))
    _, short = store.create("acme", "bob", seconds=10.0)

    async def identify(text: str) -> ApiKey | object:
        return await ring.identify(text)

    async def look() -> None:
        assert await ring.locked()
        assert await identify(secret) == key.identity
        assert ring.quota(Owner("acme", key.id)) == Quota(per_day=3)
        assert ring.quota(Owner("other", key.id)) == Quota()
        store.revoke(key.id)
        clock.now += FRESH / 2
        assert await identify(secret) is not None
        clock.now += FRESH / 2
        assert await identify(secret) is None
        assert await identify(short) is not None
        wall.now += 10.0
        assert await identify(short) is None

    asyncio.run(look())


def test_who_guesses_secrets_asks_the_database_nothing(store: KeyStore, monkeypatch: pytest.MonkeyPatch):
    key, secret = store.create("acme", "ann")
    ring, looks = KeyRing(store, clock=Clock()), []
    stamp = store.stamp
    monkeypatch.setattr(store, "stamp", lambda: looks.append(1) or stamp())

    async def flood() -> None:
        guesses = [ring.identify(text) for text in ("", "x" * 100_000, "\ud800", *map(str, range(500)))]
        assert set(await asyncio.gather(*guesses)) == {None}
        assert await ring.identify(secret) == key.identity

    asyncio.run(flood())
    assert len(looks) == 1


def test_a_ring_opens_the_door_until_there_is_a_key(store: KeyStore):
    clock = Clock()
    ring = KeyRing(store, clock=clock)

    async def look() -> None:
        assert not await ring.locked()
        key, _ = store.create("acme", "ann")
        clock.now += FRESH
        assert await ring.locked()
        store.revoke(key.id)
        clock.now += FRESH
        assert await ring.locked()

    asyncio.run(look())


def test_unknown_revoked_and_ended_keys_are_answered_alike(serve: Serve, store: KeyStore):
    revoked, gone = store.create("acme", "ann")
    store.revoke(revoked.id)
    _, ended = store.create("acme", "bob", seconds=0.0)
    _, good = store.create("acme", "eve")
    url = serve()
    answers = [generate(url, secret) for secret in (gone, ended, new_secret(), "sk-other", "")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    own = {"x-request-id", "openai-processing-ms", "date"}
    assert len({tuple(sorted((k, v) for k, v in a.headers.items() if k not in own)) for a in answers}) == 1
    error = answers[0].json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert generate(url, good).status_code == 200


@pytest.mark.parametrize("given", ["Basic {}", "Bearer", "{}", "bearer evo_{}"])
def test_other_forms_of_authorization_let_nobody_in(serve: Serve, store: KeyStore, given: str):
    _, secret = store.create("acme", "ann")
    headers = {"authorization": given.format(secret)}
    assert httpx.get(f"{serve()}/v1/models", headers=headers).status_code == 401


def test_a_key_is_revoked_within_seconds(serve: Serve, store: KeyStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("evocache.serve.access.key_ring.FRESH", 0.1)
    monkeypatch.setattr(KeyRing.__init__, "__kwdefaults__", {**KeyRing.__init__.__kwdefaults__, "fresh": 0.1})
    key, secret = store.create("acme", "ann")
    url = serve()
    assert httpx.get(f"{url}/v1/models", headers=bearer(secret)).status_code == 200
    store.revoke(key.id)
    for _ in range(100):
        if httpx.get(f"{url}/v1/models", headers=bearer(secret)).status_code == 401:
            return
    raise AssertionError("it is still let in")


def test_the_command_shows_a_secret_once(folder: Path, store: KeyStore):
    runner = CliRunner()
    made = runner.invoke(
        app, ["keys", "create", "ann", "--tenant", "acme", "--per-minute", "30", "--folder", str(folder)]
    )
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    found = store.by_hash().get(hash_secret(secret))
    assert found is not None
    assert (found.tenant, found.name, found.quota) == ("acme", "ann", Quota(per_minute=30))
    listed = runner.invoke(app, ["keys", "list", "--json", "--folder", str(folder)])
    assert secret not in listed.output
    assert [one["id"] for one in json.loads(listed.stdout)] == [found.id]
    assert found.id in runner.invoke(app, ["keys", "list", "--folder", str(folder)], env={"COLUMNS": "200"}).output
    assert runner.invoke(app, ["keys", "revoke", found.id, "--folder", str(folder)]).exit_code == 0
    assert store.list()[0].revoked is not None


@pytest.mark.parametrize("words", [["create", "a"], ["create", "a", "--queued", "0"], ["revoke", "key_1"]])
def test_the_command_refuses_what_it_cannot_do(folder: Path, words: list[str]):
    where = [] if words == ["create", "a"] else ["--folder", str(folder)]
    failed = CliRunner().invoke(app, ["keys", *words, *where])
    assert failed.exit_code != 0
    assert failed.exception is None or isinstance(failed.exception, (SystemExit, Error))
