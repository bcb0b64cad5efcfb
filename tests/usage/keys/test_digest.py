"""Digests say nothing without the secret, and the secret of an installation is one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from evocache.errors import EvocacheWarning, UsageError
from evocache.usage.keys.canonical import encode
from evocache.usage.keys.digest import Digester, as_int, derive
from evocache.usage.keys.secret import home, installation_secret

SECRET = bytes(range(32))


def test_digests_depend_on_secret_tenant_and_use():
    made = [
        Digester(SECRET).key(encode("a")),
        Digester(SECRET[::-1]).key(encode("a")),
        Digester(SECRET, "t").key(encode("a")),
        Digester(SECRET, "t").owner("a"),
        Digester(SECRET, "t").group("a"),
        Digester(SECRET, "t").tenant,
    ]
    assert len(set(made)) == 6
    assert {len(digest) for digest in made} == {16}
    assert Digester(SECRET, "t").owner("a") == made[3]
    assert len(Digester(SECRET, size=32).key(b"")) == 32
    assert Digester(SECRET).owner(None) == b""


def test_policies_know_digests_as_numbers():
    assert as_int(b"") == 0
    assert as_int(bytes(16)) == 1
    assert as_int(b"\2" + bytes(15)) == 2


@pytest.mark.parametrize("secret", [b"short", bytes(65), "text"])
def test_a_secret_that_is_none_is_refused(secret):
    with pytest.raises(UsageError, match="from 16 to 64 bytes"):
        derive(secret, "checksums")
    with pytest.raises(UsageError, match="from 16 to 32"):
        Digester(SECRET, size=8)


def test_the_secret_is_made_once(tmp_path):
    made = installation_secret(tmp_path / "home")
    assert installation_secret(tmp_path / "home") == made
    assert len(made) == 32
    path = tmp_path / "home" / "secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["secret"]
    assert installation_secret(tmp_path / "other") != made


def test_processes_that_ask_at_once_get_one_secret(tmp_path):
    code = "from evocache.usage.keys.secret import installation_secret as s; print(s().hex())"
    env = {**os.environ, "EVOCACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE) for _ in range(4)]
    said = {process.communicate()[0] for process in running}
    assert len(said) == 1
    assert len(said.pop()) == 65
    assert os.listdir(tmp_path) == ["secret"]


def test_where_the_secret_is(monkeypatch, tmp_path):
    monkeypatch.setenv("EVOCACHE_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv("EVOCACHE_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert home() == tmp_path / "evocache"


def test_a_lost_or_damaged_secret_is_told(tmp_path):
    with pytest.raises(UsageError, match="no secret at"):
        installation_secret(tmp_path, create=False)
    installation_secret(tmp_path)
    path = tmp_path / "secret"
    content = path.read_bytes()
    for damaged in (b"", content[:40], content.replace(content[20:21], b"x"), content.swapcase()):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match="put the file back"):
            installation_secret(tmp_path)
    path.write_bytes(content)
    path.chmod(0o644)
    with pytest.warns(EvocacheWarning, match="chmod 600"):
        installation_secret(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="EVOCACHE_HOME"):
        installation_secret(tmp_path / "file" / "below")
