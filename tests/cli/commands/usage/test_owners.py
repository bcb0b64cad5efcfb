import json
from uuid import UUID

import pytest

from evocache.usage.cache.learning_cache import LearningCache
from evocache.usage.keys.digest import Digester
from evocache.usage.keys.secret import installation_secret
from evocache.usage.records.event import Event
from evocache.usage.records.open_store import open_store


@pytest.fixture(params=[None, "acme"])
def tenant(request):
    return request.param


@pytest.fixture
def store(tmp_path, tenant):
    """Three records of ann, two of bob."""
    path, digester = tmp_path / "usage.db", Digester(installation_secret(), tenant)
    events = [
        Event(float(i), tenant or "", bytes([i + 1] * 16), "miss", owner=digester.owner(name), size=100)
        for i, name in enumerate(["ann", "bob", "ann", "bob", "ann"])
    ]
    with open_store(path, clock=lambda: 100.0) as records:
        records.append(events)
    return path


def _of(tenant):
    return ["--tenant", tenant] if tenant else []


def test_all_of_a_user_is_exported(run, store, tenant, tmp_path):
    lines = [
        json.loads(line) for line in run("usage", "export", store, "--user", "ann", *_of(tenant)).stdout.splitlines()
    ]
    assert [line["time"] for line in lines] == [0.0, 2.0, 4.0]
    path = tmp_path / "ann.jsonl"
    assert run("usage", "export", store, "--user", "ann", "--out", path, *_of(tenant)).stdout == ""
    assert [json.loads(line) for line in path.read_text().splitlines()] == lines
    again = run("usage", "export", store, "--user", "ann", "--out", path, *_of(tenant))
    assert again.exit_code == 2
    assert "a new file" in again.stderr
    assert run("usage", "export", store, "--user", "eve", *_of(tenant)).stdout == ""


def test_all_of_a_user_is_deleted_in_the_tiers_that_are_named(run, store, tenant, tmp_path):
    folder = tmp_path / "tier"
    with LearningCache("1MB", disk=folder, tenant=tenant) as cache:
        for name in ("ann", "bob"):
            cache.get_or_compute(f"question of {name}", lambda: b"answer", owner=name)
    result = run("usage", "delete", store, "--user", "ann", "--disk", folder, "--yes", *_of(tenant))
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "3 records" in text
    assert "1 answers" in text
    assert "weights" in text
    assert "cache.clear(owner=NAME)" in text
    assert run("usage", "export", store, "--user", "ann", *_of(tenant)).stdout == ""
    assert len(run("usage", "export", store, "--user", "bob", *_of(tenant)).stdout.splitlines()) == 2
    with LearningCache("1MB", disk=folder, tenant=tenant) as cache:
        computed = []
        for name in ("ann", "bob"):
            cache.get_or_compute(f"question of {name}", lambda name=name: computed.append(name) or b"")
    assert computed == ["ann"]


@pytest.mark.parametrize("owner", [5, -5, UUID(int=7), "05"])
def test_an_owner_that_is_no_text_is_found_by_the_text_of_it(run, tmp_path, owner):
    folder, path = tmp_path / "tier", tmp_path / "usage.db"
    with LearningCache("1MB", disk=folder, records=path) as cache:
        cache.get_or_compute("q", lambda: b"answer", owner=owner)
        cache.get_or_compute("other", lambda: b"answer", owner=6)
    out = tmp_path / "out.jsonl"
    assert run("usage", "export", path, f"--user={owner}", "--out", out).exit_code == 0
    assert len(out.read_text().splitlines()) == 1
    assert out.stat().st_mode & 0o777 == 0o600
    result = run("usage", "delete", path, f"--user={owner}", "--disk", folder, "--yes")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "1 records" in text
    assert "1 answers" in text
    again = run("usage", "delete", path, f"--user={owner}", "--disk", folder, "--yes")
    assert again.exit_code == 1
    assert "nothing was found" in again.stderr


def test_who_is_not_found_is_told(run, store, tenant):
    for command in (["export", store], ["delete", store, "--yes"]):
        result = run("usage", *command, "--user", "eve", *_of(tenant))
        assert result.exit_code == 1
        assert "nothing was found of user 'eve'" in result.stderr


def test_nothing_is_deleted_without_a_yes(run, store, tenant):
    assert run("usage", "delete", store, "--user", "ann", *_of(tenant)).exit_code == 1
    assert len(run("usage", "export", store, "--user", "ann", *_of(tenant)).stdout.splitlines()) == 3


def test_a_tier_that_is_not_reached_is_told(run, store, tenant):
    pytest.importorskip("valkey")
    result = run("usage", "delete", store, "--user", "ann", "--shared", "valkey://127.0.0.1:1", "--yes", *_of(tenant))
    assert result.exit_code == 1
    assert "3 records" in result.stdout
    assert "not deleted" in result.stdout


def test_what_is_not_there_is_not_made(run, store, tmp_path):
    for arguments in (
        ["export", tmp_path / "none.db"],
        ["export", f"sqlite:///{tmp_path}/none.db"],
        ["delete", store, "--disk", tmp_path / "none", "--yes"],
    ):
        result = run("usage", *arguments, "--user", "ann")
        assert result.exit_code == 2
        assert "check the path" in result.stderr
    assert not list(tmp_path.glob("none*"))


def test_without_the_secret_nobody_can_be_found(run, store, tmp_path):
    (tmp_path / "home" / "secret").unlink()
    result = run("usage", "export", store, "--user", "ann")
    assert result.exit_code == 2
    assert "no secret" in result.stderr
