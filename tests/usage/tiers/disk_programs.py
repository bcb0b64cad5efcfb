"""Programs that tests of the disk tier run as processes: `python -m tests.usage.tiers.disk_programs NAME PATH ...`."""

from __future__ import annotations

import resource
import sys
import warnings

from evocache.usage.tiers.disk import DiskTier
from evocache.usage.tiers.write_behind import WriteBehind

from .fakes import SECRET, Clock, entry, key

PAYLOAD = b"payload-of-a-killed-writer" * 40


def tier(path: str, max_bytes: int = 1 << 30) -> DiskTier:
    return DiskTier(path, secret=SECRET, max_bytes=max_bytes, busy_seconds=30, clock=Clock())


def endless(path: str) -> None:
    """Put batches and say the last number of each once it is durable, until killed."""
    writer = tier(path)
    for begin in range(0, 10**9, 7):
        taken = writer.put_many((key(number), entry(PAYLOAD)) for number in range(begin, begin + 7))
        print(begin + taken, flush=True)


def some(path: str, begin: str) -> None:
    """Put 200 entries, and delete and read some, beside other processes."""
    with tier(path) as writer:
        for number in range(int(begin), int(begin) + 200):
            assert writer.put_many([(key(number), entry(bytes(500)))]) == 1
            assert writer.get(key(number)) is not None
            if number % 10 == 0:
                assert writer.delete([key(number)]) == 1
    print("done")


def full(path: str) -> None:
    """Write to a disk on which no file may become larger than 300 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with tier(path) as writer:
            taken = sum(writer.put_many([(key(number), entry(bytes(50_000)))]) for number in range(20))
            found = sum(writer.get(key(number)) is not None for number in range(20))
            print(taken, found, writer.figures.dropped, len(said), said[0].category.__name__)


def leaving(path: str) -> None:
    """Put through a queue, and end without closing it."""
    WriteBehind(tier(path), clock=Clock()).put_many([(key(1), entry(b"last words"))])


if __name__ == "__main__":
    {"endless": endless, "some": some, "full": full, "leaving": leaving}[sys.argv[1]](*sys.argv[2:])
