"""The file of the disk tier: private, bounded, shared by threads and processes, and no answer is lost to its faults."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import warnings

import pytest

from evocache.errors import EvocacheWarning, UsageError
from evocache.usage.tiers.breaker import Breaker
from evocache.usage.tiers.disk import DiskTier

from .disk_programs import PAYLOAD
from .fakes import SECRET, Clock, entry, key


def program(name, *args, **options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-m", "tests.usage.tiers.disk_programs", name, *map(str, args)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "answers.db"


@pytest.fixture
def opened(path, clock):
    made = []

    def opened(max_bytes=1 << 20, **options):
        options = {"secret": SECRET, "clock": clock, "busy_seconds": 20, **options}
        made.append(DiskTier(path, max_bytes=max_bytes, **options))
        return made[-1]

    yield opened
    for tier in made:
        tier.close()


def files(path):
    """Names in the folder, and all their bytes."""
    return {name: (path.parent / name).read_bytes() for name in sorted(os.listdir(path.parent))}


def test_the_files_are_private_and_few(path, opened):
    tier = opened()
    tier.put_many([(key(1), entry())])
    assert sorted(files(path)) == ["answers.db", "answers.db-shm", "answers.db-wal"]
    assert {os.stat(path.parent / name).st_mode & 0o777 for name in files(path)} == {0o600}
    assert os.stat(path.parent).st_mode & 0o777 == 0o700
    tier.close()
    assert sorted(files(path)) == ["answers.db"]
    assert tier.get(key(1)) is not None, "a tier that was closed opens its file again"


def test_the_file_stays_as_large_as_its_bound(path, opened):
    tier = opened(2_000_000)
    draw = random.Random(0)
    for _ in range(40):
        tier.put_many(
            (draw.randbytes(16), entry(draw.randbytes(draw.choice((10, 900, 2200, 5000, 60_000))))) for _ in range(20)
        )
        log = path.with_name("answers.db-wal")
        assert path.stat().st_size <= 2_500_000
        assert log.stat().st_size <= 8_000_000
    assert tier.figures.evicted > 200
    assert tier.bytes > 1_500_000
    tier.close()
    assert 1_200_000 < path.stat().st_size <= 2_400_000
    tier.clear()
    assert path.stat().st_size < 100_000


@pytest.mark.parametrize("size", [20, 1500, 3000, 4000, 9000])
def test_bytes_that_are_counted_are_bytes_of_the_file(path, opened, size):
    tier = opened(1 << 30)
    tier.put_many((os.urandom(16), entry(bytes(size), owner=bytes(16))) for _ in range(300))
    counted = tier.bytes
    tier.close()
    assert counted * 0.6 < path.stat().st_size - 40_960 < counted * 1.1


def test_what_was_cleared_is_in_no_file(path, opened):
    tier, other = opened(), opened(tenant="other")
    draw = random.Random(0)
    gone = [draw.randbytes(16) for _ in range(200)]
    for number, name in enumerate(gone):
        stay = [(draw.randbytes(16), entry(b"STAYS" + draw.randbytes(draw.randrange(3000)), owner=b"o" * 16))]
        secret = entry(
            b"SECRET-PAYLOAD" + draw.randbytes(draw.randrange(9000)) + b"SECRET-END", owner=b"OWNER-DIGEST-16!"
        )
        (other if number % 2 else tier).put_many(stay)
        tier.put_many([(name, secret)])
        tier.get(name)
    before = b"".join(files(path).values())
    assert before.count(b"OWNER-DIGEST-16!") > 200
    assert tier.clear(b"OWNER-DIGEST-16!") > 100
    after = b"".join(files(path).values())
    assert after.count(b"STAYS") >= 100
    assert [word for word in (b"SECRET-PAYLOAD", b"SECRET-END", b"OWNER-DIGEST-16!", *gone) if word in after] == []


def test_a_reader_in_the_way_of_clearing_is_told_and_made_up_for(path, opened):
    tier = opened()
    tier.put_many([(key(1), entry(b"SECRET-PAYLOAD", owner=b"o"))])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM entries").fetchone()
    with pytest.warns(EvocacheWarning, match="stays in its log"):
        assert tier.clear(b"o") == 1
    reader.close()
    tier.put_many([(key(2), entry())])
    assert b"SECRET-PAYLOAD" not in b"".join(files(path).values())


def test_a_damaged_row_is_dropped_and_told_once(path, opened):
    tier = opened()
    tier.put_many((key(number), entry(b"sound")) for number in range(6))
    tier.close()
    changes = ("payload = x'00'", "seconds = 9", "owner = 'x'", "format = 'pickle'", "checksum = NULL", "seconds = 'x'")
    with sqlite3.connect(path) as connection:
        for number, change in enumerate(changes[:5]):
            connection.execute(f"UPDATE entries SET {change} WHERE key = ?", (key(number),))
    connection.close()
    with pytest.warns(EvocacheWarning, match="damaged") as said:
        assert [tier.get(key(number)) for number in range(5)] == [None] * 5
    assert len(said) == 1
    assert tier.figures.damaged == 5
    assert len(tier) == 1
    assert tier.get(key(5)).payload == b"sound"


def test_a_row_of_another_key_or_tenant_is_no_entry(path, opened):
    tier, other = opened(), opened(tenant="other")
    tier.put_many([(key(1), entry(b"one"))])
    other.put_many([(key(9), entry(b"nine"))])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entries SET key = ? WHERE key = ?", (key(2), key(1)))
        connection.execute("UPDATE entries SET tenant = 1 WHERE key = ?", (key(9),))
    connection.close()
    with pytest.warns(EvocacheWarning, match="damaged"):
        assert tier.get(key(2)) is tier.get(key(9)) is None


@pytest.mark.parametrize("damage", ["begin", "middle", "empty word", "other version"])
def test_a_damaged_file_is_set_aside_and_begun_anew(path, opened, damage):
    tier = opened()
    tier.put_many((key(number), entry(os.urandom(2000))) for number in range(100))
    tier.close()
    content = bytearray(path.read_bytes())
    if damage == "begin":
        content[:100] = bytes(range(100))
    elif damage == "middle":
        content[4096:] = os.urandom(len(content) - 4096)
    elif damage == "empty word":
        content = bytearray(b"not a database at all" * 100)
    else:
        content[60:64] = (77).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.warns(EvocacheWarning, match=r"moved to answers\.db\.damaged"):  # noqa: PT031
        assert tier.get(key(1)) is None
        assert tier.put_many([(key(1), entry(b"new"))]) == 1
    assert tier.get(key(1)).payload == b"new"
    assert "answers.db.damaged" in files(path)
    tier.clear()
    tier.close()
    assert sorted(files(path)) == ["answers.db"]


def test_a_file_that_was_deleted_is_made_again(path, opened):
    tier = opened()
    tier.put_many([(key(1), entry())])
    for name in files(path):
        (path.parent / name).unlink()
    assert tier.get(key(1)) is None
    assert tier.put_many([(key(1), entry(b"new"))]) == 1
    assert opened().get(key(1)).payload == b"new"


def test_another_secret_is_refused(opened):
    opened().put_many([(key(1), entry())])
    with pytest.raises(UsageError, match="put that secret back"):
        opened(secret=SECRET[::-1])


def test_a_file_that_fails_is_off_and_comes_back(tmp_path, path, clock):
    """The folder is a file: nothing can be opened, until somebody mends that."""
    path.parent.touch()
    breaker = Breaker("the cache on disk", clock=clock)
    with pytest.warns(EvocacheWarning, match="is off") as said:  # noqa: PT031
        tier = DiskTier(path, secret=SECRET, max_bytes=1 << 20, clock=clock, breaker=breaker)
        assert tier.put_many([(key(1), entry())]) == 0
        assert tier.get(key(1)) is None
        assert (len(tier), tier.bytes, tier.expire(), tier.delete([key(1)])) == (0, 0, 0, 0)
        with pytest.raises(UsageError, match="may still be there"):
            tier.clear(b"o")
        clock.now += 1
        assert tier.get(key(1)) is None
    assert len(said) == 1
    assert tier.figures.failures == 2
    assert tier.figures.dropped == 1
    path.parent.unlink()
    assert tier.put_many([(key(1), entry())]) == 0, "twice as long after the second failure"
    clock.now += 2
    assert tier.put_many([(key(1), entry())]) == 1
    tier.close()


def test_a_file_that_another_locks_is_off_for_a_while(path, opened, clock):
    tier = opened(busy_seconds=0.05, breaker=Breaker("the cache on disk", clock=clock))
    tier.put_many([(key(1), entry())])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.warns(EvocacheWarning, match="locked"):
        assert tier.put_many([(key(2), entry())]) == 0
    other.close()
    clock.now += 1
    assert tier.put_many([(key(2), entry())]) == 1
    assert tier.get(key(1)) is not None


def test_a_full_disk_loses_no_answer_and_breaks_nothing(path):
    process = program("full", path)
    out = process.communicate(timeout=120)[0].split()
    assert process.returncode == 0
    taken, found, dropped, warned = map(int, out[:4])
    assert 0 < taken < 20
    assert dropped == 20 - taken
    assert found in (0, taken)  # off for a second after the first failure
    assert (warned, out[4]) == (1, "EvocacheWarning")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM entries").fetchone()[0] == taken
    connection.close()


def test_processes_share_a_file(path, opened):
    running = [program("some", path, begin) for begin in (0, 1000, 2000)]
    said = [process.communicate(timeout=300)[0].strip() for process in running]
    assert said == ["done"] * 3
    assert len(opened()) == 3 * 180
    assert opened().get(key(1001)) is not None


def test_killed_writers_lose_nothing_that_they_said_was_kept(path, opened):
    draw = random.Random(time.time_ns())
    for _ in range(10):
        process = program("endless", path)
        said = 0
        for _ in range(draw.randrange(1, 12)):
            said = int(process.stdout.readline())
        time.sleep(draw.random() * 0.02)
        process.kill()
        said = int((process.communicate()[0].split() or [said])[-1])
        assert set(files(path)) <= {"answers.db", "answers.db-shm", "answers.db-wal"}
        with opened(1 << 30) as tier:
            assert all(tier.get(key(number)).payload == PAYLOAD for number in range(said))
            count, size = len(tier), tier.bytes
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*), sum(room) FROM entries").fetchone() == (count, size)
        connection.close()


def test_threads_share_a_tier(opened):
    tier = opened(1 << 30)
    lost = []

    def work(begin):
        for number in range(begin, begin + 100):
            tier.put_many([(key(number), entry(str(number).encode()))])
            found = tier.get(key(number))
            if found is None or found.payload != str(number).encode():
                lost.append(number)

    threads = [threading.Thread(target=work, args=(1000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert len(tier) == 400


def _child(tier, number):
    taken = tier.put_many([(key(number), entry(b"child"))])
    os._exit(0 if taken == 1 and tier.get(key(0)).payload == b"parent" else 1)


def test_a_child_of_a_fork_opens_the_file_for_itself(opened):
    tier = opened()
    tier.put_many([(key(0), entry(b"parent"))])
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            tier.get(key(0))

    thread = threading.Thread(target=busy)
    thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        children = [multiprocessing.get_context("fork").Process(target=_child, args=(tier, n)) for n in (1, 2, 3)]
        for child in children:
            child.start()
    for child in children:
        child.join(60)
    stop.set()
    thread.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    tier.put_many([(key(4), entry(b"parent"))])
    assert [tier.get(key(n)).payload for n in range(5)] == [b"parent", b"child", b"child", b"child", b"parent"]


def test_what_is_asked_for_stays(opened):
    """Hits raise an entry's score, across closing."""
    tier = opened(100_000)
    tier.put_many((key(number), entry(bytes(3000), seconds=1)) for number in range(20))
    for _ in range(3):
        tier.get(key(7))
    tier.close()
    tier.put_many((key(number), entry(bytes(3000), seconds=1)) for number in range(100, 120))
    assert tier.get(key(7)) is not None
    assert sum(tier.get(key(number)) is not None for number in range(20)) < 20


def test_clocks_that_jump_back_end_entries_in_the_future(opened, clock):
    tier = opened()
    tier.put_many([(key(1), entry(created=clock.now))])
    clock.now -= 86_400
    assert tier.get(key(1)) is None
    assert tier.expire() == 1


def test_waits_grow_and_end():
    clock = Clock(0.0)
    breaker = Breaker("it", clock=clock, first=1, most=4)
    waits = []
    with pytest.warns(EvocacheWarning, match=r"it is off: why\?"):  # noqa: PT031
        for _ in range(5):
            breaker.failed("why\x1b")
            began = clock.now
            while breaker.open:
                clock.now += 0.5
            waits.append(clock.now - began)
    assert waits == [1, 2, 4, 4, 4]
    breaker.worked()
    assert not breaker.open


def test_forty_clearings_leave_nothing(path, opened):
    """Rows move between pages as others come and go: what moved leaves nothing behind."""
    tier = opened(200_000)
    draw = random.Random(1)
    for turn in range(40):
        mark = f"MARK-{turn:03}-".encode()
        tier.put_many(
            (draw.randbytes(16), entry(mark + draw.randbytes(draw.choice((5, 200, 900, 3000))), owner=mark))
            for _ in range(draw.randrange(1, 20))
        )
        tier.put_many((draw.randbytes(16), entry(draw.randbytes(draw.randrange(2000)))) for _ in range(10))
        if draw.random() < 0.7:
            tier.clear(mark)
            assert mark not in b"".join(files(path).values())
