"""The shared tier: sealed entries on a real server, no pickles, and a server that fails is left alone."""

from __future__ import annotations

import socket
import threading

import pytest
import valkey

from evocache.errors import EvocacheWarning, UsageError
from evocache.usage.tiers.breaker import Breaker
from evocache.usage.tiers.shared import DAYS, SharedTier

from .fakes import SECRET, Clock, entry, key


@pytest.fixture
def shared(client, clock):
    def shared(max_bytes=1 << 20, **options):
        return SharedTier(client, **{"secret": SECRET, "max_bytes": max_bytes, "clock": clock, **options})

    return shared


def content(client):
    """All that the server holds: names, and values of all kinds."""
    found = {}
    for name in client.scan_iter():
        kind = client.type(name)
        read = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers}
        found[name] = read[kind](name) if kind in read else client.zrange(name, 0, -1, withscores=True)
    return found


def test_pickles_are_neither_written_nor_read(client, shared):
    tier = shared()
    assert tier.put_many([(key(1), entry(format="pickle")), (key(2), entry())]) == 1
    assert tier.figures.dropped == 1
    sealed = tier._seal.pack(key(3), entry(format="pickle"))
    client.set(f"{tier._prefix}e:{key(3).hex()}", sealed)
    assert tier.get(key(1)) is tier.get(key(3)) is None
    assert tier.get(key(2)) is not None


def test_what_was_changed_on_the_server_is_no_entry(client, shared):
    tier = shared()
    tier.put_many((key(number), entry(b"sound", owner=b"o")) for number in range(4))
    names = [f"{tier._prefix}e:{key(number).hex()}" for number in range(4)]
    sound = client.get(names[0])
    client.set(names[1], sound)
    client.set(names[2], b"short")
    with pytest.warns(EvocacheWarning, match="the same secret") as said:  # noqa: PT031
        assert tier.get(key(1)) is tier.get(key(2)) is None
        for place in range(len(sound)):
            flipped = bytearray(sound)
            flipped[place] ^= 1
            client.set(names[3], bytes(flipped))
            assert tier.get(key(3)) is None
    assert len(said) == 1
    assert tier.figures.damaged == 2 + len(sound)
    assert tier.get(key(0)).payload == b"sound"
    assert len(tier) == 1


def test_another_secret_finds_nothing(shared):
    shared().put_many([(key(1), entry())])
    other = shared(secret=SECRET[::-1])
    assert other.get(key(1)) is None
    assert len(other) == 0


def test_the_server_forgets_at_the_end(client, shared, clock):
    tier = shared()
    tier.put_many([(key(1), entry(expires=clock.now + 50)), (key(2), entry()), (key(3), entry(expires=clock.now))])
    left = [client.pttl(f"{tier._prefix}e:{key(number).hex()}") for number in (1, 2)]
    assert 0 < left[0] <= 50_000
    assert 0 < left[1] <= DAYS * 86_400_000
    assert all(client.pttl(name) > 0 for name in client.scan_iter())
    assert tier.get(key(3)) is None
    client.delete(f"{tier._prefix}e:{key(1).hex()}")  # as at its end
    assert tier.get(key(1)) is None
    clock.now += 50
    assert tier.expire() == 1
    assert len(tier) == 1


def test_nothing_of_an_owner_or_a_tenant_remains(client, shared):
    tier, other = shared(), shared(tenant="other")
    tier.put_many((key(number), entry(b"SECRET" * 9, owner=b"OWNER-DIGEST-16!")) for number in range(2500))
    tier.put_many([(key(5000), entry(b"stays"))])
    other.put_many([(key(number), entry(b"other", owner=b"OWNER-DIGEST-16!")) for number in range(3)])
    assert tier.clear(b"OWNER-DIGEST-16!") == 2500
    left = {name: value for name, value in content(client).items() if name.decode().startswith(tier._prefix)}
    assert b"SECRET" not in repr(left).encode()
    assert b"OWNER-DIGEST-16!".hex() not in repr(left)
    assert len(other) == 3
    client.set(f"{tier._prefix}e:{key(9).hex()}", "left by a server that lost its indices")
    assert tier.clear() == 1
    left = [name.decode() for name in content(client) if name.decode().startswith(tier._prefix)]
    assert left == [f"{tier._prefix}cleared"]  # when: what began before is not put again
    assert len(other) == 3


def test_names_say_nothing_of_tenants(client, shared):
    shared(tenant="acme").put_many([(key(1), entry(owner=b"o"))])
    assert "acme" not in repr(content(client))
    assert all(name.startswith(b"evocache:{") for name in content(client))


def test_a_server_that_evicted_by_itself_is_survived(client, shared):
    tier = shared(100_000)
    tier.put_many((key(number), entry(bytes(3000))) for number in range(20))
    client.delete(f"{tier._prefix}about")
    assert tier.get(key(1)) is not None
    for lost, begin in (("score", 20), ("state", 100), ("over", 200)):
        assert tier.put_many((key(number), entry(bytes(3000))) for number in range(begin, begin + 60)) == 60
        names = list(client.scan_iter(match=f"{tier._prefix}e:*"))
        assert tier.bytes == 3256 * len(names) <= 100_000
        assert len(names) > 20
        client.delete(f"{tier._prefix}{lost}")
    assert tier.get(key(259)) is not None


def test_a_dead_server_is_off_and_comes_back(client, server, clock):
    """A port that nobody listens at, and then the server behind it."""
    breaker = Breaker("the shared cache", clock=clock)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"valkey://user:PASSWORD@127.0.0.1:{taken.getsockname()[1]}/0"
        with pytest.warns(EvocacheWarning, match="the shared cache is off") as said:  # noqa: PT031
            tier = SharedTier(url, secret=SECRET, max_bytes=1 << 20, clock=clock, breaker=breaker)
            assert tier.put_many([(key(1), entry())]) == 0
            assert tier.get(key(1)) is None
            assert (len(tier), tier.bytes, tier.expire(), tier.delete([key(1)])) == (0, 0, 0, 0)
            with pytest.raises(UsageError, match="may still be there"):
                tier.clear(b"o")
            clock.now += 1
            assert tier.get(key(1)) is None
    assert len(said) == 1
    assert "PASSWORD" not in str(said[0].message)
    assert (tier.figures.failures, tier.figures.dropped) == (2, 1)
    pool = tier._server.connection_pool
    pool.connection_kwargs.update(port=server.port, username=None, password=None, socket_timeout=20)
    pool.reset()
    assert tier.put_many([(key(1), entry())]) == 0, "twice as long after the second failure"
    clock.now += 2
    assert tier.put_many([(key(1), entry())]) == 1
    assert tier.get(key(1)) == entry()
    tier.close()


def test_a_server_that_does_not_answer_is_left_alone(clock):
    """It accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"valkey://127.0.0.1:{silent.getsockname()[1]}"
        tier = SharedTier(url, secret=SECRET, max_bytes=1 << 20, clock=clock, breaker=Breaker("it", clock=clock))
        with pytest.warns(EvocacheWarning, match="Timeout"):
            assert tier.get(key(1)) is None
        for _ in range(50):
            assert tier.get(key(1)) is None
        assert tier.figures.failures == 1
        tier.close()


def test_clients_that_decode_are_refused(server):
    with (
        valkey.Valkey(port=server.port, decode_responses=True) as client,
        pytest.raises(UsageError, match="decode_responses=False"),
    ):
        SharedTier(client, secret=SECRET, max_bytes=1 << 20)


def test_clients_that_put_at_once_keep_the_count(client, server, shared):
    def work(begin):
        own = valkey.Valkey(port=server.port, socket_timeout=20)
        tier = SharedTier(own, secret=SECRET, max_bytes=50_000, clock=Clock())
        for number in range(begin, begin + 100):
            tier.put_many([(key(number % 70), entry(bytes(1000), owner=b"o"))])
        own.close()

    threads = [threading.Thread(target=work, args=(begin,)) for begin in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tier = shared(50_000)
    names = list(client.scan_iter(match=f"{tier._prefix}e:*"))
    assert len(names) == len(tier) == client.zcard(f"{tier._prefix}score")
    assert tier.bytes == len(tier) * (1000 + 256) <= 50_000
    assert tier.clear(b"o") == len(names)
    assert tier.bytes == 0


def test_large_entries_go_in_steps_of_their_own(shared):
    tier = shared(100 << 20)
    calls = []
    send = tier._run
    tier._run = lambda script, *args, other: calls.append(len(args)) or send(script, *args, other=other)
    sizes = [10] * 150 + [600_000] * 5
    assert tier.put_many((key(n), entry(bytes(size))) for n, size in enumerate(sizes)) == 155
    assert [(count - 5) // 8 for count in calls] == [100, 52, 2, 1]
    assert len(tier) == 155
